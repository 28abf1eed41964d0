with blocks as (
    select page_id, count(*) as block_count, cast(sum(length(text)) as bigint) as text_length
    from {{ ref('stg_notion__blocks') }}
    where not is_deleted
    group by page_id
),

comments as (
    select page_id, count(*) as comment_count
    from {{ ref('stg_notion__comments') }}
    where not is_deleted and unreachable_since is null
    group by page_id
)

select
    ---------- ids
    pages.page_id,
    pages.parent_id,
    pages.data_source_id,
    creators.person_id as creator_person_id,
    editors.person_id as last_editor_person_id,

    ---------- text
    if(pages.is_private, null, pages.title) as title,
    if(pages.is_private, null, pages.url) as url,
    if(pages.is_private, null, pages.properties) as properties,
    if(pages.is_private, null, sources.title) as data_source_name,
    pages.parent_type,

    ---------- numbers
    coalesce(blocks.block_count, 0) as block_count,
    coalesce(blocks.text_length, 0) as text_length,
    coalesce(comments.comment_count, 0) as comment_count,

    ---------- flags
    pages.is_private,
    pages.is_public,
    pages.in_trash,
    pages.is_deleted,
    pages.unreachable_since is not null as is_unreachable,

    ---------- timestamps
    pages.created_at,
    pages.updated_at,
    pages.deleted_at,
    pages.extracted_at
from {{ ref('int_notion__pages') }} as pages
left join {{ ref('stg_notion__data_sources') }} as sources using (data_source_id)
left join blocks using (page_id)
left join comments using (page_id)
left join {{ ref('person_accounts') }} as creators on creators.tool = 'notion' and creators.account_id = pages.created_by_id
left join {{ ref('person_accounts') }} as editors on editors.tool = 'notion' and editors.account_id = pages.last_edited_by_id
