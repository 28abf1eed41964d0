with source as (
    select * from {{ source('jira', 'changes') }}
),

renamed as (
    select
        ---------- ids
        id as change_id,
        issue_id,
        author_id,
        site,
        sync_id,

        ---------- documents
        payload -> 'items' as items,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
