select
    ---------- ids
    items.action_item_id,
    items.transcript_id as meeting_id,
    people.person_id,

    ---------- text
    items.person as person_name,
    if(meetings.is_private, null, items.item_text) as item_text,

    ---------- numbers
    items.item_number,
    items.at_seconds,

    ---------- flags
    meetings.is_private,
    items.is_deleted or meetings.is_deleted as is_deleted,

    ---------- timestamps
    meetings.started_at as meeting_started_at,
    items.extracted_at
from {{ ref('stg_fireflies__action_items') }} as items
inner join {{ ref('int_fireflies__meetings') }} as meetings using (transcript_id)
left join {{ ref('person_accounts') }} as people on people.tool = 'fireflies' and people.account_id = items.person
