{#- IANA zone of local days and working hours: IMPULSUM_TIMEZONE. -#}
{% macro timezone() -%}
    {{ return(var('timezone', env_var('IMPULSUM_TIMEZONE', '') or 'UTC')) }}
{%- endmacro %}

{#- Instant as wall-clock time of the zone. -#}
{% macro local_time(instant) -%}
    timezone('{{ timezone() }}', {{ instant }})
{%- endmacro %}

{#- First day of the week (a Monday) or month that an instant falls into, on the clock of the zone. -#}
{% macro first_day_of(period, instant) -%}
    cast(date_trunc('{{ period }}', {{ local_time(instant) }}) as date)
{%- endmacro %}

{#- Hours between two instants, six decimals. -#}
{% macro hours_between(from_instant, to_instant) -%}
    round(epoch({{ to_instant }} - {{ from_instant }}) / 3600.0, 6)
{%- endmacro %}

{#-
    Working hours between two instants: Monday to Friday, IMPULSUM_BUSINESS_HOURS (such as 8-18) on the clock of the
    zone, holidays not known. The difference of two counts from a Monday, so it costs no calendar.
-#}
{% macro working_hours_between(from_instant, to_instant) -%}
    round((({{ _working_seconds_until(to_instant) }}) - ({{ _working_seconds_until(from_instant) }})) / 3600.0, 6)
{%- endmacro %}

{#- The first instant by which so many working hours have passed since another; that one itself for none. -#}
{% macro after_working_hours(instant, hours) -%}
    {%- set first, last = _working_day() -%}
    {%- set target = "(" ~ _working_seconds_until(instant) ~ " + " ~ (hours * 3600) ~ ")" -%}
    {%- set day = "cast(ceil(" ~ target ~ " / " ~ (last - first) ~ ") - 1 as bigint)" -%}
    {%- if hours == 0 -%}
    {{ instant }}
    {%- else -%}
    timezone(
        '{{ timezone() }}',
        cast(date '1970-01-05' + cast({{ day }} // 5 * 7 + {{ day }} % 5 as integer) as timestamp)
        + to_microseconds(cast(round(({{ first }} + {{ target }} - {{ day }} * {{ last - first }}) * 1000000) as bigint))
    )
    {%- endif -%}
{%- endmacro %}

{#- First and last second of the working day. -#}
{% macro _working_day() -%}
    {%- set hours = var('business_hours', env_var('IMPULSUM_BUSINESS_HOURS', '') or '8-18').split('-') -%}
    {{ return([hours[0] | int * 3600, hours[1] | int * 3600]) }}
{%- endmacro %}

{% macro _working_seconds_until(instant) -%}
    {%- set first, last = _working_day() -%}
    {%- set local = local_time(instant) -%}
    {%- set day = "date_diff('day', date '1970-01-05', cast(" ~ local ~ " as date))" -%}
    ({{ day }} // 7 * 5 + least({{ day }} % 7, 5)) * {{ last - first }}
    + case
        when {{ day }} % 7 < 5
            then greatest(0, least({{ last - first }}, epoch(cast({{ local }} as time)) - {{ first }}))
        else 0
    end
{%- endmacro %}
