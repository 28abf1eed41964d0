with source as (
    select * from {{ source('github', 'deployments') }}
),

renamed as (
    select
        ---------- ids
        id as deployment_id,
        repository_id,
        sha,
        site,
        sync_id,

        ---------- text
        ref as deployed_ref,
        environment,
        task,
        creator,

        ---------- flags
        is_production,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
