{#- Notion does not say who may see a page, so the settings name private pages, by id or by address. -#}
{%- set named = env_var('NOTION_RESTRICTED', '').split(',') | map('trim') | reject('equalto', '') | list -%}

with recursive named as (
    -- Only the 32 hexadecimal digits identify a page: an address ends with them, an id has dashes between them.
    select right(replace(split_part(value, '?', 1), '-', ''), 32) as id
    from (select unnest({{ named if named else "cast([] as varchar[])" }}) as value)
),

pages as (
    select
        pages.page_id,
        pages.data_source_id,
        pages.database_id,
        coalesce(blocks.page_id, pages.parent_id) as parent_id
    from {{ ref('stg_notion__pages') }} as pages
    left join {{ ref('stg_notion__blocks') }} as blocks on blocks.block_id = pages.parent_id
),

data_sources as (
    select
        sources.data_source_id,
        sources.database_id,
        coalesce(blocks.page_id, sources.parent_id) as parent_id
    from {{ ref('stg_notion__data_sources') }} as sources
    left join {{ ref('stg_notion__blocks') }} as blocks on blocks.block_id = sources.parent_id
),

-- What holds what: a page under a page, an entry in its data source, a data source in its database on a page.
holds as (
    select parent_id as holder_id, page_id as id from pages where data_source_id is null
    union
    select data_source_id, page_id from pages where data_source_id is not null
    union
    select database_id, data_source_id from data_sources
    union
    select parent_id, data_source_id from data_sources
),

private (id) as (
    select id from (
        select holder_id as id from holds
        union
        select id from holds
    ) as known
    where replace(id, '-', '') in (select id from named)
    union
    select holds.id
    from private
    inner join holds on holds.holder_id = private.id
)

select pages.page_id from pages inner join private on private.id = pages.page_id
