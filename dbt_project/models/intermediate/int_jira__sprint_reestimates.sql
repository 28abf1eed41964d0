select
    scope.sprint_id,
    scope.issue_id,
    scope.entered_at,
    estimates.valid_from as occurred_at,
    estimates.previous_estimate as points_before,
    estimates.estimate as points_after,
    estimates.changed_by
from {{ ref('int_jira__sprint_scope') }} as scope
inner join {{ ref('int_jira__estimate_spans') }} as estimates
    on estimates.issue_id = scope.issue_id
    and estimates.field_id = scope.estimation_field_id
    and estimates.valid_from > scope.entered_at
    and estimates.valid_from <= scope.last_at
where estimates.previous_estimate is distinct from estimates.estimate
