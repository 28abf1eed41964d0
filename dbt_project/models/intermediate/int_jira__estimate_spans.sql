with spans as (
    select *, {{ as_points('value') }} as estimate
    from {{ ref('int_jira__field_spans') }}
    where kind = 'estimate'
)

select
    issue_id,
    field_id,
    estimate,
    lag(estimate) over (partition by issue_id, field_id order by valid_from) as previous_estimate,
    valid_from,
    valid_to,
    changed_by
from spans
