with source as (
    select * from {{ source('github', 'reviews') }}
),

renamed as (
    select
        ---------- ids
        id as review_id,
        repository_id,
        pull_request_id,
        commit_sha,
        site,
        sync_id,

        ---------- text
        author,
        state as review_state,

        ---------- numbers
        pull_request_number,

        ---------- flags
        coalesce(payload ->> '$.user.type' = 'Bot', false) as is_bot,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        submitted_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
