{{ config(materialized='ephemeral') }}

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
        extracted_at,
        deleted_at
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
        extracted_at,
        deleted_at
    from {{ ref('stg_jira__worklogs') }}
),

leading_tool as (
    select if(count(*) > 0, 'tempo', 'jira') as tool from {{ ref('stg_tempo__worklogs') }} where not is_deleted
)

select both_tools.*, both_tools.tool = leading_tool.tool as is_leading
from both_tools
cross join leading_tool
