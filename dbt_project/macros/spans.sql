{#-
    Spans are half-open, [valid_from, valid_to), in UTC; a span that lasts has no valid_to.
-#}

{#- True when the span holds at the instant. -#}
{% macro holds_at(span, instant) -%}
    ({{ span }}.valid_from <= {{ instant }} and ({{ span }}.valid_to is null or {{ instant }} < {{ span }}.valid_to))
{%- endmacro %}

{#- True when the span holds up to the instant: the value that something had when it left. -#}
{% macro holds_before(span, instant) -%}
    ({{ span }}.valid_from < {{ instant }} and ({{ span }}.valid_to is null or {{ instant }} <= {{ span }}.valid_to))
{%- endmacro %}

{#- Text of Jira's changelog as a number of points: "5", "5.0", "1,000"; null for an empty one. -#}
{% macro as_points(text) -%}
    try_cast(replace(trim({{ text }}), ',', '') as decimal(18, 3))
{%- endmacro %}

{#- True when the span held at the end of a membership: just before it left, or else when the sprint ended. -#}
{% macro holds_at_end(span, membership) -%}
    case
        when {{ membership }}.left_at is null then {{ holds_at(span, membership ~ '.ended_at') }}
        else {{ holds_before(span, membership ~ '.left_at') }}
    end
{%- endmacro %}
