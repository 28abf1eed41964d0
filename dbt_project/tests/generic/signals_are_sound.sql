{#- Fails for every signal whose numbers or times contradict each other. -#}
{% test signals_are_sound(model) %}
select *
from {{ model }}
where score not between 0 and 100
    or value < threshold
    or first_seen_at > last_seen_at
    or is_open <> (closed_at is null)
    or subject_key is null
    or why is null
    or evidence is null
    or (value + threshold + score) is null
    or first_seen_at is null
{% endtest %}
