with source as (
    select * from {{ source('slack', 'members') }}
),

renamed as (
    select
        ---------- ids
        id as member_id,
        channel_id,
        user_id,
        site,
        sync_id,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
