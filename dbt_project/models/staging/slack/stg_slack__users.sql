with source as (
    select * from {{ source('slack', 'users') }}
),

renamed as (
    select
        ---------- ids
        id as user_id,
        site,
        sync_id,

        ---------- text
        name as user_name,
        real_name,
        display_name,
        email,
        title,
        time_zone,

        ---------- flags
        is_active,
        is_bot,
        is_guest,
        is_admin,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
