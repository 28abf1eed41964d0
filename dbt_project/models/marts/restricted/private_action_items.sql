select
    items.action_item_id,
    items.transcript_id as meeting_id,
    items.person as person_name,
    items.item_text
from {{ ref('stg_fireflies__action_items') }} as items
inner join {{ ref('int_fireflies__meetings') }} as meetings using (transcript_id)
where meetings.is_private
