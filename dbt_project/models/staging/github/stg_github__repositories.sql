with source as (
    select * from {{ source('github', 'repositories') }}
),

renamed as (
    select
        ---------- ids
        id as repository_id,
        site,
        sync_id,

        ---------- text
        owner as owner_login,
        name as repository_name,
        full_name,
        default_branch,

        ---------- numbers
        open_issue_total,

        ---------- flags
        is_private,
        is_fork,
        is_archived,
        has_issues,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        pushed_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
