{#- Fails for every span that is empty or begins before the one before it has ended. -#}
{% test spans_do_not_overlap(model, key) %}
with ordered as (
    select
        {{ key | join(', ') }},
        valid_from,
        valid_to,
        lag(coalesce(valid_to, 'infinity')) over (partition by {{ key | join(', ') }} order by valid_from) as previous_to
    from {{ model }}
)

select *
from ordered
where valid_from >= valid_to or valid_from < previous_to
{% endtest %}
