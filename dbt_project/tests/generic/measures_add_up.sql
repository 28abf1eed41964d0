{#- The identity of every sprint: final = committed + added - removed (+ re-estimated, in points). -#}
{% test measures_add_up(model) %}
select *
from {{ model }}
where final_points <> committed_points + added_points - removed_points + reestimated_points
    or final_issues <> committed_issues + added_issues - removed_issues
    or (estimation_field_id is null) <> (final_points is null)
{% endtest %}
