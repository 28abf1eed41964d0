with source as (
    select * from {{ source('github', 'pull_requests') }}
),

renamed as (
    select
        ---------- ids
        id as pull_request_id,
        repository_id,
        merge_commit_sha,
        head_sha,
        site,
        sync_id,

        ---------- text
        title,
        payload ->> '$.body' as pull_request_body,
        payload ->> '$.html_url' as url,
        author,
        state as pull_request_state,
        merged_by,
        head_ref,
        base_ref,

        ---------- documents
        labels,
        requested_reviewers,
        commit_shas,

        ---------- numbers
        number as pull_request_number,
        additions,
        deletions,
        changed_files,
        commit_total,
        comment_total,
        review_comment_total,

        ---------- flags
        is_bot,
        is_draft,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        closed_at,
        merged_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
