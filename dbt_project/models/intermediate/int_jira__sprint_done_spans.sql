with members as (
    select distinct windows.sprint_id, sprint_spans.issue_id
    from {{ ref('int_jira__sprint_windows') }} as windows
    inner join {{ ref('int_jira__sprint_spans') }} as sprint_spans using (sprint_id)
),

statuses as (
    select
        members.sprint_id,
        statuses.*,
        case rules.done_rule
            when 'board_column' then list_contains(rules.done_status_ids, statuses.status_id)
            else (statuses.status_category is not distinct from 'done')
        end as is_done
    from members
    inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
    inner join {{ ref('int_jira__status_spans') }} as statuses using (issue_id)
),

-- Moving on from one done status to another is not getting done again.
numbered as (
    select *, count_if(not is_done) over (partition by sprint_id, issue_id order by valid_from) as done_period
    from statuses
)

select
    sprint_id,
    issue_id,
    min(done_from) as valid_from,
    case when bool_or(valid_to is null) then null else max(valid_to) end as valid_to,
    arg_max_null(ended_by, valid_from) as reopened_by
from numbered
where is_done
group by sprint_id, issue_id, done_period
