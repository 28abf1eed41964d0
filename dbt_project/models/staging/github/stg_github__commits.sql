with source as (
    select * from {{ source('github', 'commits') }}
),

renamed as (
    select
        ---------- ids
        id as commit_id,
        repository_id,
        sha,
        site,
        sync_id,

        ---------- text
        message as commit_message,
        author,
        author_name,
        author_email,

        ---------- flags
        is_merge,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        authored_at,
        committed_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
