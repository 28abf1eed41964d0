with source as (
    select * from {{ source('jira', 'fields') }}
),

renamed as (
    select
        ---------- ids
        id as field_id,
        site,
        sync_id,

        ---------- text
        name as field_name,
        schema_type,
        schema_items,
        schema_custom,
        role as field_role,

        ---------- flags
        is_custom,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
