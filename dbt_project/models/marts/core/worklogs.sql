select
    ---------- ids
    worklogs.tool,
    worklogs.worklog_id,
    worklogs.issue_id,
    issues.issue_key,
    worklogs.author_id,
    authors.person_id,

    ---------- numbers
    worklogs.time_spent_seconds,
    worklogs.billable_seconds,

    ---------- flags
    worklogs.is_leading,
    worklogs.is_deleted or (worklogs.tool = 'jira' and coalesce(issues.is_deleted, false)) as is_deleted,

    ---------- timestamps
    worklogs.work_date,
    worklogs.started_at,
    worklogs.created_at,
    worklogs.updated_at,
    worklogs.extracted_at
from {{ ref('int_worklogs__both_tools') }} as worklogs
left join {{ ref('stg_jira__issues') }} as issues using (issue_id)
left join {{ ref('person_accounts') }} as authors
    on authors.tool = worklogs.tool
    and authors.account_id = worklogs.author_id
