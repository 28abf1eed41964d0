{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='pull_request_id', full_refresh=false
) }}

-- GitHub's lists do not tell when a draft was made ready, so each build remembers what it saw: the only table here that
-- cannot be made again from the raw files. A pull request that was ready when it was first seen always was.
with pulls as (
    select
        pull_request_id,
        coalesce(is_draft, false) as is_draft,
        created_at,
        updated_at
    from {{ ref('stg_github__pull_requests') }}
    where pull_request_state = 'open' and not is_deleted
)

{% if is_incremental() -%}
select
    pulls.pull_request_id,
    pulls.is_draft,
    case
        when known.pull_request_id is not null then if(pulls.is_draft, known.ready_at, pulls.updated_at)
        when not pulls.is_draft then pulls.created_at
    end as ready_at,
    case
        when pulls.is_draft then if(known.pull_request_id is null, pulls.created_at, pulls.updated_at)
    end as draft_since
from pulls
left join {{ this }} as known using (pull_request_id)
where known.is_draft is distinct from pulls.is_draft
{%- else -%}
select
    pull_request_id,
    is_draft,
    if(is_draft, null, created_at) as ready_at,
    if(is_draft, created_at, null) as draft_since
from pulls
{%- endif %}
