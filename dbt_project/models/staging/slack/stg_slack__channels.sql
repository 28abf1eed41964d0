with source as (
    select * from {{ source('slack', 'channels') }}
),

renamed as (
    select
        ---------- ids
        id as channel_id,
        creator_id,
        user_id as partner_user_id,
        site,
        sync_id,

        ---------- text
        name as channel_name,
        type as channel_type,
        topic,
        purpose,

        ---------- numbers
        num_members,

        ---------- flags
        is_private,
        is_archived,
        is_member,
        is_general,
        is_shared,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
