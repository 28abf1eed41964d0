with source as (
    select * from {{ source('notion', 'blocks') }}
),

renamed as (
    select
        ---------- ids
        id as block_id,
        page_id,
        parent_id,
        created_by_id,
        last_edited_by_id,
        site,
        sync_id,

        ---------- text
        type,
        text,

        ---------- numbers
        depth,
        position,

        ---------- flags
        has_children,
        is_checked,
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
