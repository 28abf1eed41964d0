with source as (
    select * from {{ source('github', 'issues') }}
),

renamed as (
    select
        ---------- ids
        id as issue_id,
        repository_id,
        site,
        sync_id,

        ---------- text
        title,
        author,
        state as issue_state,
        state_reason,
        closed_by,

        ---------- documents
        labels,
        assignees,

        ---------- numbers
        number as issue_number,
        comment_total,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        closed_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
