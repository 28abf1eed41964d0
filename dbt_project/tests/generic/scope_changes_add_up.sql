{#- The changes of each sprint sum up to its final scope, in points and in issues. -#}
{% test scope_changes_add_up(model) %}
with totals as (
    select
        sprint_id,
        sum(points) as points,
        count_if(change in ('committed', 'added', 'reopened')) - count_if(change = 'removed') as issues
    from {{ model }}
    group by sprint_id
)

select velocity.sprint_id, velocity.final_points, totals.points, velocity.final_issues, totals.issues
from {{ ref('sprint_velocity') }} as velocity
left join totals using (sprint_id)
where coalesce(totals.points, 0) <> coalesce(velocity.final_points, 0)
    or coalesce(totals.issues, 0) <> velocity.final_issues
{% endtest %}
