{{ config(materialized='ephemeral') }}

-- What people other than the author said of a pull request, while it waited for that.
with pulls as (
    select *, coalesce(merged_at, closed_at) as ended_at
    from {{ ref('stg_github__pull_requests') }}
    where not is_deleted
),

said as (
    select pull_request_id, author, is_bot, submitted_at as said_at, review_state as state
    from {{ ref('stg_github__reviews') }}
    where not is_deleted
    union all
    select pulls.pull_request_id, comments.author, comments.is_bot, comments.created_at, null
    from {{ ref('stg_github__review_comments') }} as comments
    inner join pulls using (repository_id, pull_request_number)
    where not comments.is_deleted
    union all
    select pulls.pull_request_id, comments.author, comments.is_bot, comments.created_at, null
    from {{ ref('stg_github__issue_comments') }} as comments
    inner join pulls
        on pulls.repository_id = comments.repository_id
        and pulls.pull_request_number = comments.issue_number
    where not comments.is_deleted
)

select
    said.pull_request_id,
    min(said.said_at) as first_review_at,
    min(said.said_at) filter (where said.state = 'APPROVED') as first_approval_at,
    count(*) filter (where said.state = 'CHANGES_REQUESTED') as change_requests
from said
inner join pulls using (pull_request_id)
where not said.is_bot
    and not {{ is_github_app('said.author') }}
    and said.author is distinct from pulls.author
    and said.said_at >= pulls.created_at
    -- What is said after the merge made nobody wait.
    and said.said_at <= coalesce(pulls.ended_at, 'infinity')
group by said.pull_request_id
