with source as (
    select * from {{ source('github', 'issue_comments') }}
),

renamed as (
    select
        ---------- ids
        id as issue_comment_id,
        repository_id,
        site,
        sync_id,

        ---------- text
        author,
        body as comment_text,

        ---------- numbers
        issue_number,

        ---------- flags
        coalesce(payload ->> '$.user.type' = 'Bot', false) as is_bot,
        is_on_pull_request,
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
