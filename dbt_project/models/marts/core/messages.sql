select
    ---------- ids
    messages.message_id,
    messages.channel_id,
    messages.channel_id || ':' || coalesce(messages.thread_ts, messages.message_ts) as thread_id,
    authors.person_id as author_person_id,

    ---------- text
    if(messages.is_private, null, channels.channel_name) as channel_name,
    messages.channel_type,
    messages.user_id,
    messages.subtype,
    if(messages.is_private, null, messages.message_text) as message_text,

    ---------- numbers
    messages.reply_count,
    messages.reaction_count,
    messages.file_count,

    ---------- flags
    messages.is_reply,
    messages.is_private,
    messages.bot_id is not null or coalesce(authors.is_bot, false) as is_bot,
    messages.is_deleted,
    messages.unreachable_since is not null as is_unreachable,

    ---------- timestamps
    messages.posted_at,
    messages.edited_at,
    messages.deleted_at,
    messages.extracted_at
from {{ ref('int_slack__messages') }} as messages
left join {{ ref('stg_slack__channels') }} as channels using (channel_id)
left join {{ ref('person_accounts') }} as authors on authors.tool = 'slack' and authors.account_id = messages.user_id
