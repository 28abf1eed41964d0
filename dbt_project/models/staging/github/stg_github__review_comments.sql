with source as (
    select * from {{ source('github', 'review_comments') }}
),

renamed as (
    select
        ---------- ids
        id as review_comment_id,
        repository_id,
        review_id,
        in_reply_to_id,
        site,
        sync_id,

        ---------- text
        author,
        path,
        body as comment_text,

        ---------- numbers
        pull_request_number,

        ---------- flags
        coalesce(payload ->> '$.user.type' = 'Bot', false) as is_bot,
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
