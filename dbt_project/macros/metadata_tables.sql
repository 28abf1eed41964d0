{#- The metadata tables of a raw file; every source has the same. -#}

{#- One row per sync. -#}
{% macro staged_syncs(name) -%}
select
    ---------- ids
    sync_id,

    ---------- text
    source,
    mode,
    status as sync_status,
    error as error_message,

    ---------- documents
    rows as row_counts,
    streams,

    ---------- numbers
    requests,
    limit_waits,
    limit_wait_seconds,
    extract_seconds,
    normalize_seconds,
    load_seconds,

    ---------- flags
    census as is_census,

    ---------- timestamps
    window_start,
    window_end,
    watermark_from,
    watermark_to,
    started_at,
    finished_at
from {{ source(name, 'syncs') }}
{%- endmacro %}

{#- One row per census, entity and scope. -#}
{% macro staged_census(name) -%}
select
    ---------- ids
    sync_id,
    scope_id,

    ---------- text
    entity,
    scope_name,

    ---------- numbers
    at_source,
    held,
    missing,
    deleted,
    unreachable,
    approximate,

    ---------- timestamps
    taken_at
from {{ source(name, 'census') }}
{%- endmacro %}
