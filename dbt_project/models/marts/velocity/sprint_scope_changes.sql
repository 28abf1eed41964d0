select
    changes.sprint_id,
    changes.issue_id,
    issues.issue_key,
    changes.occurred_at,
    changes.change,
    case when rules.estimation_field_id is not null then cast(changes.points as decimal(18, 3)) end as points,
    changes.points_before,
    changes.points_after,
    changes.changed_by
from {{ ref('int_jira__scope_steps') }} as changes
inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
inner join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
