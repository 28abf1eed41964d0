{{ config(materialized='view') }}

{#- What tells when something last happened at a source: of its main table. -#}
{%- set newest = {
    'jira': ('stg_jira__issues', 'updated_at'),
    'github': ('stg_github__pull_requests', 'updated_at'),
    'slack': ('stg_slack__messages', 'posted_at'),
    'fireflies': ('stg_fireflies__transcripts', 'started_at'),
    'notion': ('stg_notion__pages', 'updated_at'),
    'tempo': ('stg_tempo__worklogs', 'updated_at'),
} -%}
{% for source, (model, column) in newest.items() -%}
select syncs.*, (select max({{ column }}) from {{ ref(model) }}) as newest_change_at
from {{ ref('stg_' ~ source ~ '__syncs') }} as syncs
{% if not loop.last %}union all by name{% endif %}
{% endfor %}
