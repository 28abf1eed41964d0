{#- Fails for every private row that shows its text outside of the restricted tables. -#}
{% test private_text_is_null(model, columns) %}
select *
from {{ model }}
where is_private is distinct from false
    and coalesce({% for column in columns %}cast({{ column }} as varchar){% if not loop.last %}, {% endif %}{% endfor %}) is not null
{% endtest %}
