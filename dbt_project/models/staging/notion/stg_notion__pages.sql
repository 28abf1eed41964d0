with source as (
    select * from {{ source('notion', 'pages') }}
),

renamed as (
    select
        ---------- ids
        id as page_id,
        parent_id,
        data_source_id,
        database_id,
        created_by_id,
        last_edited_by_id,
        site,
        sync_id,

        ---------- text
        title,
        parent_type,
        url,
        public_url,

        ---------- documents
        properties,

        ---------- flags
        is_public,
        in_trash,
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
