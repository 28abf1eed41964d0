{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='sprint_id', full_refresh=false
) }}

-- A board's configuration has no history, so each build remembers under which one it first saw a sprint closed. A sprint
-- that is planned, active or reopened follows its board as it is now, and so does one whose board could not be read yet.
select
    sprints.sprint_id,
    sprints.sprint_state,
    boards.board_id,
    boards.estimation_type,
    boards.estimation_field_id,
    boards.estimation_field_name,
    boards.columns,
    boards.done_status_ids
from {{ ref('stg_jira__sprints') }} as sprints
left join {{ ref('stg_jira__boards') }} as boards using (board_id)
{% if is_incremental() -%}
left join {{ this }} as known using (sprint_id)
where sprints.sprint_state <> 'closed' or known.sprint_state is distinct from 'closed' or known.board_id is null
{%- endif %}
