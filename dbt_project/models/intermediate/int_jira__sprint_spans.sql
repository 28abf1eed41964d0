with states as (
    select
        issue_id,
        valid_from,
        valid_to,
        changed_by,
        ended_by,
        unnest(list_distinct(regexp_split_to_array(value, '\s*,\s*'))) as sprint_id
    from {{ ref('int_jira__field_spans') }}
    where kind = 'sprint' and value is not null
),

-- The field lists all sprints at once, so a change of one of them restates the others: join what never stopped.
marked as (
    select
        *,
        (lag(valid_to) over (partition by issue_id, sprint_id order by valid_from) is distinct from valid_from)
            as is_joining
    from states
),

numbered as (
    select *, count_if(is_joining) over (partition by issue_id, sprint_id order by valid_from) as membership
    from marked
),

memberships as (
    select
        issue_id,
        trim(sprint_id) as sprint_id,
        min(valid_from) as valid_from,
        case when bool_or(valid_to is null) then null else max(valid_to) end as valid_to,
        arg_min_null(changed_by, valid_from) as joined_by,
        arg_max_null(ended_by, valid_from) as left_by
    from numbered
    group by issue_id, sprint_id, membership
)

select
    memberships.issue_id,
    memberships.sprint_id,
    memberships.valid_from,
    least(memberships.valid_to, issues.deleted_at) as valid_to,
    memberships.joined_by,
    case when memberships.valid_to <= coalesce(issues.deleted_at, 'infinity') then memberships.left_by end as left_by
from memberships
inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
where issues.deleted_at is null or memberships.valid_from < issues.deleted_at
