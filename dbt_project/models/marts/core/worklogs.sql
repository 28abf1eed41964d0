-- Tempo writes its hours into Jira as well, so one hour may be in both: where Tempo is in use, its record leads.
with both_tools as (
    select
        'tempo' as tool,
        worklog_id,
        issue_id,
        author_id,
        start_date as work_date,
        time_spent_seconds,
        billable_seconds,
        is_deleted,
        started_at,
        created_at,
        updated_at,
        extracted_at
    from {{ ref('stg_tempo__worklogs') }}
    union all
    select
        'jira',
        worklog_id,
        issue_id,
        author_id,
        cast({{ local_time('started_at') }} as date),
        time_spent_seconds,
        null,
        is_deleted,
        started_at,
        created_at,
        updated_at,
        extracted_at
    from {{ ref('stg_jira__worklogs') }}
),

leading_tool as (
    select if(count(*) > 0, 'tempo', 'jira') as tool from {{ ref('stg_tempo__worklogs') }} where not is_deleted
)

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
    worklogs.tool = leading_tool.tool as is_leading,
    worklogs.is_deleted,

    ---------- timestamps
    worklogs.work_date,
    worklogs.started_at,
    worklogs.created_at,
    worklogs.updated_at,
    worklogs.extracted_at
from both_tools as worklogs
cross join leading_tool
left join {{ ref('stg_jira__issues') }} as issues using (issue_id)
left join {{ ref('person_accounts') }} as authors
    on authors.tool = worklogs.tool
    and authors.account_id = worklogs.author_id
