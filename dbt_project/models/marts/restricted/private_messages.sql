select
    messages.message_id,
    messages.channel_id,
    channels.channel_name,
    messages.user_id,
    messages.message_text,
    messages.posted_at
from {{ ref('int_slack__messages') }} as messages
left join {{ ref('stg_slack__channels') }} as channels using (channel_id)
where messages.is_private
