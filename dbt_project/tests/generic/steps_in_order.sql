{#- Fails where a later step was before an earlier one; steps that are missing are skipped. -#}
{% test steps_in_order(model, columns) %}
with steps as (
    select *, list_filter([{{ columns | join(', ') }}], lambda step: step is not null) as taken from {{ model }}
)

select * exclude (taken) from steps where taken <> list_sort(taken)
{% endtest %}
