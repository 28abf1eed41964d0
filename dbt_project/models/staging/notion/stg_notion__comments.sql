with source as (
    select * from {{ source('notion', 'comments') }}
),

renamed as (
    select
        ---------- ids
        id as comment_id,
        page_id,
        parent_id,
        discussion_id,
        created_by_id,
        site,
        sync_id,

        ---------- text
        parent_type,
        text,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
