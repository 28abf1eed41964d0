with source as (
    select * from {{ source('notion', 'data_sources') }}
),

renamed as (
    select
        ---------- ids
        id as data_source_id,
        database_id,
        parent_id,
        site,
        sync_id,

        ---------- text
        title,
        parent_type,
        url,

        ---------- documents
        schema,

        ---------- flags
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
