with source as (
    select * from {{ source('github', 'releases') }}
),

renamed as (
    select
        ---------- ids
        id as release_id,
        repository_id,
        site,
        sync_id,

        ---------- text
        tag_name,
        name as release_name,
        target,
        author,

        ---------- flags
        is_draft,
        is_prerelease,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        published_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
