{#- Fails for every issue whose spans do not reach from its creation, without a gap, to now. -#}
{% test spans_cover_life(model) %}
with fields as (
    select
        issue_id,
        field_id,
        min(valid_from) as covered_from,
        count_if(valid_to is null) as lasting,
        coalesce(sum(epoch_us(valid_to) - epoch_us(valid_from)), 0) as covered,
        max(epoch_us(valid_from)) - min(epoch_us(valid_from)) as expected
    from {{ model }}
    group by issue_id, field_id
)

select issues.issue_id, fields.field_id, fields.covered_from, fields.lasting
from {{ ref('stg_jira__issues') }} as issues
left join fields using (issue_id)
where fields.issue_id is null
    or fields.covered_from > issues.created_at
    or fields.lasting <> 1
    or fields.covered <> fields.expected
{% endtest %}
