with worklogs as (
    select
        *,
        -- An author that the tool no longer names is one row of the issue, not none.
        coalesce(person_id, author_id, 'unknown') as worker_id
    from {{ ref('worklogs') }}
    where not is_deleted and issue_id is not null
)

select
    ---------- ids
    worklogs.issue_id,
    any_value(worklogs.issue_key) as issue_key,
    worklogs.worker_id,
    any_value(worklogs.person_id) as person_id,

    ---------- text
    any_value(people.person_name) as person_name,

    ---------- numbers
    round(coalesce(sum(time_spent_seconds) filter (where is_leading), 0) / 3600, 6) as hours,
    round(coalesce(sum(billable_seconds) filter (where is_leading), 0) / 3600, 6) as billable_hours,
    round(coalesce(sum(time_spent_seconds) filter (where tool = 'tempo'), 0) / 3600, 6) as tempo_hours,
    round(coalesce(sum(time_spent_seconds) filter (where tool = 'jira'), 0) / 3600, 6) as jira_hours,
    round(
        coalesce(sum(if(tool = 'tempo', time_spent_seconds, -time_spent_seconds)), 0) / 3600, 6
    ) as difference_hours,
    count(*) filter (where is_leading) as entries,

    ---------- timestamps
    min(work_date) filter (where is_leading) as first_work_date,
    max(work_date) filter (where is_leading) as last_work_date
from worklogs
left join {{ ref('people') }} as people using (person_id)
group by worklogs.issue_id, worklogs.worker_id
