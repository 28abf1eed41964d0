with source as (
    select * from {{ source('github', 'deployment_statuses') }}
),

renamed as (
    select
        ---------- ids
        id as deployment_status_id,
        repository_id,
        deployment_id,
        site,
        sync_id,

        ---------- text
        state as deployment_state,
        environment,
        description,
        creator,

        ---------- flags
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
