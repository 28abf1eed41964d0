with reviews as (
    select
        pull_request_id,
        count(*) as review_count,
        count(*) filter (where review_state = 'APPROVED') as approval_count
    from {{ ref('stg_github__reviews') }}
    where not is_deleted
    group by pull_request_id
)

select
    ---------- ids
    pulls.pull_request_id,
    pulls.repository_id,
    authors.person_id as author_person_id,

    ---------- text
    repositories.full_name as repository_name,
    pulls.title,
    pulls.author,
    pulls.merged_by,
    if(pulls.merged_at is not null, 'merged', pulls.pull_request_state) as state,
    pulls.head_ref,
    pulls.base_ref,
    pulls.merge_commit_sha,
    pulls.url,

    ---------- numbers
    pulls.pull_request_number,
    pulls.additions,
    pulls.deletions,
    pulls.changed_files,
    pulls.commit_total,
    pulls.comment_total + pulls.review_comment_total as comment_total,
    coalesce(reviews.review_count, 0) as review_count,
    coalesce(reviews.approval_count, 0) as approval_count,

    ---------- flags
    coalesce(pulls.is_bot, false) or coalesce(authors.is_bot, false) as is_bot,
    coalesce(pulls.is_draft, false) as is_draft,
    pulls.is_deleted,
    pulls.unreachable_since is not null as is_unreachable,

    ---------- timestamps
    pulls.created_at,
    pulls.updated_at,
    pulls.closed_at,
    pulls.merged_at,
    pulls.deleted_at,
    pulls.extracted_at
from {{ ref('stg_github__pull_requests') }} as pulls
left join {{ ref('stg_github__repositories') }} as repositories using (repository_id)
left join {{ ref('person_accounts') }} as authors on authors.tool = 'github' and authors.account_id = pulls.author
left join reviews using (pull_request_id)
