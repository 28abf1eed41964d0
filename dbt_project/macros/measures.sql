{#- Two columns, <measure>_points and <measure>_issues, over the rows that the condition picks. -#}
{% macro points_and_issues(measure, condition, points) -%}
    sum({{ points }}) filter (where {{ condition }}) as {{ measure }}_points,
        count(*) filter (where {{ condition }}) as {{ measure }}_issues
{%- endmacro %}

{#- Points of a sprint: none is zero, but null where the sprint has no estimation field. -#}
{% macro points_or_null(column) -%}
    case when rules.estimation_field_id is not null then cast(coalesce({{ column }}, 0) as decimal(18, 3)) end
        as {{ column }}
{%- endmacro %}

{#- Share of the whole; null when there is no whole, or no points to count in. -#}
{% macro ratio(part, whole) -%}
    case when {{ whole }} > 0 then cast(coalesce({{ part }}, 0) as double) / cast({{ whole }} as double) end
{%- endmacro %}
