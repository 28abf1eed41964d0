with source as (
    select * from {{ source('slack', 'messages') }}
),

renamed as (
    select
        ---------- ids
        id as message_id,
        channel_id,
        ts as message_ts,
        thread_ts,
        user_id,
        bot_id,
        latest_reply as latest_reply_ts,
        site,
        sync_id,

        ---------- text
        subtype,
        text as message_text,
        channel_type,

        ---------- numbers
        reply_count,
        reaction_count,
        file_count,

        ---------- flags
        is_reply,
        is_private,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        posted_at,
        edited_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
