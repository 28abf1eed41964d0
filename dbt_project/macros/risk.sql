{#- What the signals of risk.signals share. -#}

{#- A limit of one kind of signal: `opens`, the value at which it opens, or `urgent`, at which it scores 80. -#}
{% macro risk_limit(kind, limit) -%}
    {{ return(var('risk_' ~ kind)[limit]) }}
{%- endmacro %}

{#- A list of words, of a variable, as a SQL list in small letters. -#}
{% macro risk_words(name) -%}
    [{% for word in var(name) %}'{{ (word | string | lower).replace("'", "''") }}'{{ ", " if not loop.last }}{% endfor %}]
{%- endmacro %}

{#- True where a period reaches into the time for which ended signals are kept. -#}
{% macro risk_is_kept(valid_to, as_of) -%}
    coalesce({{ valid_to }} >= {{ as_of }} - interval {{ var('risk_keep_days') | int }} day, true)
{%- endmacro %}

{#- Rows of periods with `episode`: periods of one key that overlap or touch are of one episode. -#}
{% macro with_episodes(relation, key) -%}
    select *, sum(begins) over (partition by {{ key }} order by valid_from) as episode
    from (
        select
            *,
            if(
                valid_from <= max(coalesce(valid_to, 'infinity')) over (
                    partition by {{ key }} order by valid_from rows between unbounded preceding and 1 preceding
                ),
                0, 1
            ) as begins
        from {{ relation }}
    )
{%- endmacro %}

{#- End of a group of periods; null while one of them lasts. -#}
{% macro last_end(valid_to) -%}
    if(bool_or({{ valid_to }} is null), null, max({{ valid_to }}))
{%- endmacro %}

{#- A number for people: one decimal, and none where it is 0. -#}
{% macro plain(number) -%}
    regexp_replace(cast(cast(round({{ number }}, 1) as decimal(18, 1)) as varchar), '\.0$', '')
{%- endmacro %}

{#- A number with its noun: 1 day, 2.5 days. -#}
{% macro counted(number, noun) -%}
    {{ plain(number) }} || if({{ plain(number) }} = '1', ' {{ noun }}', ' {{ noun }}s')
{%- endmacro %}

{#- Where people look at an issue. -#}
{% macro issue_url(issue) -%}
    'https://' || {{ issue }}.site || '/browse/' || {{ issue }}.issue_key
{%- endmacro %}
