{{ config(materialized='view') }}

with counts as (
    {% for source in ['jira', 'github', 'slack', 'fireflies', 'notion', 'tempo'] -%}
    select '{{ source }}' as source, * from {{ ref('stg_' ~ source ~ '__census') }}
    {% if not loop.last %}union all by name{% endif %}
    {% endfor %}
),

-- The name of a private conversation or data source is private text, too.
private as (
    select 'slack' as source, channel_id as scope_id
    from {{ ref('stg_slack__channels') }}
    where is_private is distinct from false
    union
    select 'notion', data_source_id from {{ ref('int_notion__pages') }} where is_private and data_source_id is not null
)

select counts.* replace (if(private.scope_id is null, counts.scope_name, null) as scope_name)
from counts
left join private using (source, scope_id)
