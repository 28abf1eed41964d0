{#- Fails for every sprint that is active or closed without a start: no instant to read it at, so it has no velocity. -#}
{% test started_sprints_have_a_start(model) %}
select *
from {{ model }}
where state in ('active', 'closed') and started_at is null and not is_deleted
{% endtest %}
