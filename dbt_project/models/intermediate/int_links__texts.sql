{{ config(materialized="view") }}

with pull_requests as (
    select * from {{ ref('stg_github__pull_requests') }} where not is_deleted
),

repository_pulls as (
    select repository_id, pull_request_number, pull_request_id from pull_requests
),

messages as (
    select * from {{ ref('int_slack__messages') }} where not is_deleted
),

transcripts as (
    select * from {{ ref('int_fireflies__meetings') }} where not is_deleted
),

pages as (
    select * from {{ ref('int_notion__pages') }} where not is_deleted
)

select
    'github' as tool,
    'pull_requests' as entity,
    pull_request_id as entity_id,
    pull_request_id as part_of_id,
    'branch' as found_in,
    author as account_id,
    created_at as happened_at,
    false as is_private,
    upper(head_ref) as searched_text
from pull_requests

union all
select 'github', 'pull_requests', pull_request_id, pull_request_id, 'title', author, created_at, false, title
from pull_requests

union all
select 'github', 'pull_requests', pull_request_id, pull_request_id, 'description', author, created_at, false, pull_request_body
from pull_requests

union all
select
    'github', 'review_comments', comments.review_comment_id, pulls.pull_request_id, 'comment',
    comments.author, comments.created_at, false, comments.comment_text
from {{ ref('stg_github__review_comments') }} as comments
left join repository_pulls as pulls using (repository_id, pull_request_number)
where not comments.is_deleted

union all
select
    'github', 'issue_comments', comments.issue_comment_id, pulls.pull_request_id, 'comment',
    comments.author, comments.created_at, false, comments.comment_text
from {{ ref('stg_github__issue_comments') }} as comments
left join repository_pulls as pulls
    on pulls.repository_id = comments.repository_id and pulls.pull_request_number = comments.issue_number
where not comments.is_deleted

union all
select 'github', 'issues', issue_id, issue_id, 'title', author, created_at, false, title
from {{ ref('stg_github__issues') }}
where not is_deleted

union all
select 'github', 'commits', commit_id, repository_id, 'commit', author, authored_at, false, commit_message
from {{ ref('stg_github__commits') }}
where not is_deleted

union all
select
    'slack', 'messages', message_id, channel_id || ':' || coalesce(thread_ts, message_ts), 'message',
    user_id, posted_at, is_private, message_text
from messages

union all
select 'fireflies', 'transcripts', transcript_id, transcript_id, 'title', lower(organizer_email), started_at, is_private, title
from transcripts

union all
select 'fireflies', 'transcripts', transcript_id, transcript_id, 'summary', lower(organizer_email), started_at, is_private, overview
from transcripts

union all
select
    'fireflies', 'sentences', sentences.sentence_id, sentences.transcript_id, 'sentence', sentences.speaker_name,
    transcripts.started_at + to_milliseconds(cast(1000 * coalesce(sentences.start_seconds, 0) as bigint)),
    transcripts.is_private, sentences.sentence_text
from {{ ref('stg_fireflies__sentences') }} as sentences
inner join transcripts using (transcript_id)
where not sentences.is_deleted

union all
select
    'fireflies', 'action_items', items.action_item_id, items.transcript_id, 'action item', items.person,
    transcripts.started_at + to_milliseconds(cast(1000 * coalesce(items.at_seconds, 0) as bigint)),
    transcripts.is_private, items.item_text
from {{ ref('stg_fireflies__action_items') }} as items
inner join transcripts using (transcript_id)
where not items.is_deleted

union all
select 'notion', 'pages', page_id, page_id, 'title', created_by_id, created_at, is_private, title
from pages

union all
select 'notion', 'pages', page_id, page_id, 'property', created_by_id, created_at, is_private, cast(properties as varchar)
from pages

union all
select
    'notion', 'blocks', blocks.block_id, blocks.page_id, 'block', blocks.created_by_id,
    blocks.created_at, pages.is_private, blocks.text
from {{ ref('stg_notion__blocks') }} as blocks
inner join pages using (page_id)
where not blocks.is_deleted

union all
select
    'notion', 'comments', comments.comment_id, comments.page_id, 'comment', comments.created_by_id,
    comments.created_at, pages.is_private, comments.text
from {{ ref('stg_notion__comments') }} as comments
inner join pages using (page_id)
where not comments.is_deleted

union all
select
    'tempo', 'worklogs', worklog_id, worklog_id, 'worklog', author_id,
    coalesce(started_at, created_at), false, worklog_description
from {{ ref('stg_tempo__worklogs') }}
where not is_deleted
