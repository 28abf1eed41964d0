with pulls as (
    select
        commit_id,
        count(*) as pull_request_count,
        arg_min(pull_request_id, (coalesce(merged_at, 'infinity'), pull_request_id)) as pull_request_id
    from {{ ref('stg_github__pull_request_commits') }}
    where not is_deleted
    group by commit_id
)

select
    ---------- ids
    commits.commit_id,
    commits.repository_id,
    pulls.pull_request_id,
    coalesce(logins.person_id, addresses.person_id) as author_person_id,

    ---------- text
    repositories.full_name as repository_name,
    commits.sha,
    commits.commit_message as message,
    commits.author,
    commits.author_name,

    ---------- numbers
    coalesce(pulls.pull_request_count, 0) as pull_request_count,

    ---------- flags
    commits.is_merge,
    coalesce(logins.is_bot, false) as is_bot,
    commits.is_deleted,

    ---------- timestamps
    commits.authored_at,
    commits.committed_at,
    commits.extracted_at
from {{ ref('stg_github__commits') }} as commits
left join pulls using (commit_id)
left join {{ ref('stg_github__repositories') }} as repositories using (repository_id)
left join {{ ref('person_accounts') }} as logins on logins.tool = 'github' and logins.account_id = commits.author
-- Only what the mapping file says of an address that is no login's.
left join {{ ref('person_accounts') }} as addresses
    on commits.author is null
    and addresses.tool = 'github'
    and addresses.account_id = lower(commits.author_email)
