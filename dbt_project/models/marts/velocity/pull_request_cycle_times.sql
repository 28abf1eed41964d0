with pulls as (
    select * from {{ ref('pull_requests') }} where not is_deleted
),

first_commits as (
    select links.pull_request_id, min(commits.authored_at) as first_commit_at
    from {{ ref('stg_github__pull_request_commits') }} as links
    inner join {{ ref('stg_github__commits') }} as commits using (commit_id)
    -- A merge of the base branch into the pull request is no work of its own.
    where not commits.is_merge
    group by links.pull_request_id
),

feedback as (
    select * from {{ ref('int_github__feedback') }}
),

deployments as (
    select deployments.repository_id, deployments.succeeded_at, commits.committed_at
    from {{ ref('deployments') }} as deployments
    left join {{ ref('stg_github__commits') }} as commits
        on commits.repository_id = deployments.repository_id
        and commits.sha = deployments.sha
    where deployments.is_production and deployments.succeeded_at is not null and not deployments.is_deleted
),

-- The first success in production after the merge, of a commit that is not older than the merge: a rollback to an
-- older one does not bring the change to anybody.
deployed as (
    select pulls.pull_request_id, min(deployments.succeeded_at) as deployed_at
    from pulls
    left join {{ ref('stg_github__commits') }} as merge_commits
        on merge_commits.repository_id = pulls.repository_id
        and merge_commits.sha = pulls.merge_commit_sha
    inner join deployments
        on deployments.repository_id = pulls.repository_id
        and deployments.succeeded_at >= pulls.merged_at
        and coalesce(deployments.committed_at, deployments.succeeded_at)
        >= coalesce(merge_commits.committed_at, pulls.merged_at)
    group by pulls.pull_request_id
),

issues as (
    select part_of_id as pull_request_id, list_sort(list_distinct(list(issue_key))) as issue_keys
    from {{ ref('work_links') }}
    where tool = 'github' and entity = 'pull_requests'
    group by part_of_id
),

timed as (
    select
        pulls.pull_request_id,
        pulls.repository_id,
        pulls.repository_name,
        pulls.pull_request_number,
        pulls.author,
        pulls.author_person_id,
        pulls.state,
        pulls.is_bot,
        pulls.is_draft,
        coalesce(issues.issue_keys, []) as issue_keys,
        pulls.additions + pulls.deletions as changed_lines,
        coalesce(feedback.change_requests, 0) as change_requests,
        -- A branch that was rewritten after it was opened may hold no commit from before.
        least(first_commits.first_commit_at, pulls.created_at) as first_commit_at,
        pulls.created_at,
        -- A draft asks nobody for a review yet.
        if(pulls.is_draft, null, feedback.first_review_at) as first_review_at,
        if(pulls.is_draft, null, feedback.first_approval_at) as first_approval_at,
        pulls.merged_at,
        pulls.closed_at,
        deployed.deployed_at
    from pulls
    left join first_commits using (pull_request_id)
    left join feedback using (pull_request_id)
    left join deployed using (pull_request_id)
    left join issues using (pull_request_id)
)

select
    *,
    {{ hours_between('first_commit_at', 'created_at') }} as coding_hours,
    {{ hours_between('created_at', 'first_review_at') }} as pickup_hours,
    {{ hours_between('first_review_at', 'merged_at') }} as review_hours,
    {{ hours_between('merged_at', 'deployed_at') }} as deploy_hours,
    {{ hours_between('first_commit_at', 'merged_at') }} as cycle_hours,
    {{ hours_between('first_commit_at', 'deployed_at') }} as lead_hours,
    {{ working_hours_between('created_at', 'first_review_at') }} as pickup_business_hours,
    {{ working_hours_between('first_review_at', 'merged_at') }} as review_business_hours
from timed
