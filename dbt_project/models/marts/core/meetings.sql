with attendees as (
    select transcript_id, count(*) as attendee_count
    from {{ ref('stg_fireflies__attendees') }}
    where not is_deleted
    group by transcript_id
),

items as (
    select transcript_id, count(*) as action_item_count
    from {{ ref('stg_fireflies__action_items') }}
    where not is_deleted
    group by transcript_id
)

select
    ---------- ids
    meetings.transcript_id as meeting_id,
    organizers.person_id as organizer_person_id,

    ---------- text
    if(meetings.is_private, null, meetings.title) as title,
    if(meetings.is_private, null, meetings.overview) as overview,
    if(meetings.is_private, null, meetings.keywords) as keywords,
    meetings.summary_status,
    meetings.privacy,
    if(meetings.is_private, null, meetings.transcript_url) as url,

    ---------- numbers
    meetings.duration_minutes,
    meetings.sentence_total,
    coalesce(attendees.attendee_count, 0) as attendee_count,
    coalesce(items.action_item_count, 0) as action_item_count,

    ---------- flags
    meetings.is_private,
    meetings.is_live,
    meetings.is_whole,
    meetings.is_deleted,

    ---------- timestamps
    meetings.started_at,
    meetings.started_at + to_seconds(60 * meetings.duration_minutes) as ended_at,
    meetings.deleted_at,
    meetings.extracted_at
from {{ ref('int_fireflies__meetings') }} as meetings
left join attendees using (transcript_id)
left join items using (transcript_id)
left join {{ ref('person_accounts') }} as organizers
    on organizers.tool = 'fireflies'
    and organizers.account_id = lower(meetings.organizer_email)
