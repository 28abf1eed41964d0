with source as (
    select * from {{ source('notion', 'users') }}
),

renamed as (
    select
        ---------- ids
        id as user_id,
        site,
        sync_id,

        ---------- text
        name,
        type,
        email,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
