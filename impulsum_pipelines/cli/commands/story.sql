-- The story of the issue $key: one row per event, with kind, what, who and when. A private item shows no text.
with issue as (
    select * from core.issues
    where issue_id = (
        select issue_id from core.issues where issue_key = $key
        union all
        select issue_id from core.work_links where mentioned_key = $key
        limit 1
    )
),

links as (
    select * from core.work_links where issue_id = (select issue_id from issue)
),

pulls as (
    select * from core.pull_requests
    where pull_request_id in (select entity_id from links where entity = 'pull_requests')
        and not is_deleted
),

threads as (
    select
        thread_id,
        arg_min(message_text, message_id) as opening,
        arg_min(author_person_id, message_id) as author_person_id,
        any_value(channel_name) as channel_name,
        bool_or(is_private) as is_private,
        count(*) as messages,
        min(posted_at) as posted_at
    from core.messages
    where thread_id in (select part_of_id from links where entity = 'messages') and not is_deleted
    group by thread_id
),

story as (
    select
        1 as place, 'issue' as kind,
        issue_key || ' ' || summary || ': ' || status_name
            || coalesce(', ' || points::decimal(18, 1)::varchar || ' points', '') as what,
        assignee as who, created_at as happened_at
    from issue
    union all
    select
        2, 'pull request', repository_name || '#' || pull_request_number || ' ' || title || ': ' || state,
        coalesce(people.person_name, author), coalesce(merged_at, closed_at, created_at)
    from pulls left join core.people as people on people.person_id = pulls.author_person_id
    union all
    select
        3, 'review', lower(replace(reviews.state, '_', ' ')) || ' ' || pulls.repository_name || '#' || reviews.pull_request_number,
        coalesce(people.person_name, reviewer), submitted_at
    from core.reviews as reviews
    inner join pulls using (pull_request_id)
    left join core.people as people on people.person_id = reviews.reviewer_person_id
    where not reviews.is_deleted
    union all
    select
        4, 'in production', repository_name || '#' || pull_request_number || ', '
            || round(lead_hours)::int || ' hours after its first commit', null, deployed_at
    from velocity.pull_request_cycle_times
    where pull_request_id in (select pull_request_id from pulls) and deployed_at is not null
    union all
    select
        5, 'thread',
        if(is_private, 'in a private conversation', '#' || coalesce(channel_name, 'unknown') || ' ' || opening)
            || if(messages > 1, ' (' || messages || ' messages)', ''),
        people.person_name, posted_at
    from threads left join core.people as people on people.person_id = threads.author_person_id
    union all
    select
        6, 'meeting',
        if(is_private, 'a private meeting', coalesce(title, 'without a title')) || ' (' || round(duration_minutes)::int
            || ' minutes, ' || attendee_count || ' people)',
        people.person_name, started_at
    from core.meetings as meetings
    left join core.people as people on people.person_id = meetings.organizer_person_id
    where meeting_id in (select part_of_id from links where entity in ('transcripts', 'sentences', 'action_items')) and not is_deleted
    union all
    select 7, 'page', if(is_private, 'a private page', coalesce(title, 'without a title')), people.person_name, pages.created_at
    from core.pages as pages
    left join core.people as people on people.person_id = pages.creator_person_id
    where page_id in (select part_of_id from links where entity in ('pages', 'blocks', 'comments')) and not is_deleted
    union all
    select 8, 'hours', round(hours, 2) || ' h', coalesce(person_name, worker_id), last_work_date
    from velocity.hours_by_issue_and_person
    where issue_id = (select issue_id from issue) and hours > 0
)

select kind, what, who, happened_at from story order by place, happened_at, what
