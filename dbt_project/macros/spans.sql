{#-
    Spans are half-open, [valid_from, valid_to), in UTC; a span that lasts has no valid_to.
-#}

{#-
    True when the span holds at the instant. Comparisons of one side with the other, and nothing else: an `or`, or a
    condition on one side, keeps DuckDB from joining by hash, and 65,000 memberships then take minutes, not a second.
-#}
{% macro holds_at(span, instant) -%}
    {{ span }}.valid_from <= {{ instant }} and {{ instant }} < coalesce({{ span }}.valid_to, 'infinity')
{%- endmacro %}

{#- Text of Jira's changelog as a number of points: "5", "5.0", "1,000"; null for an empty one. -#}
{% macro as_points(text) -%}
    try_cast(replace(trim({{ text }}), ',', '') as decimal(18, 3))
{%- endmacro %}
