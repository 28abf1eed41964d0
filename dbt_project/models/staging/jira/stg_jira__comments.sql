with source as (
    select * from {{ source('jira', 'comments') }}
),

renamed as (
    select
        ---------- ids
        id as comment_id,
        issue_id,
        author_id,
        site,
        sync_id,

        ---------- flags
        is_restricted,
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
