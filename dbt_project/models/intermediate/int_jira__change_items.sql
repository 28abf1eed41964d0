{{ config(materialized='incremental', incremental_strategy='delete+insert', unique_key='change_id') }}

with changes as (
    select
        *,
        from_json(
            items,
            '[{"field": "VARCHAR", "fieldId": "VARCHAR", "from": "VARCHAR", "fromString": "VARCHAR",
               "to": "VARCHAR", "toString": "VARCHAR"}]'
        ) as item_list
    from {{ ref('stg_jira__changes') }}
    {% if is_incremental() %}
    -- Not later than, but from: rows of one instant may come with two syncs.
    where extracted_at >= (select coalesce(max(extracted_at), '-infinity') from {{ this }})
    {% endif %}
),

items as (
    select
        change_id,
        issue_id,
        author_id,
        created_at,
        extracted_at,
        is_deleted,
        generate_subscripts(item_list, 1) as position,
        unnest(item_list) as item
    from changes
)

select
    change_id,
    position,
    issue_id,
    author_id,
    item['field'] as field_name,
    item['fieldId'] as field_id,
    item['from'] as from_value,
    item['fromString'] as from_string,
    item['to'] as to_value,
    item['toString'] as to_string,
    is_deleted,
    created_at,
    extracted_at
from items
