-- What counts as a review, and whose, is as in velocity.pull_request_cycle_times; drafts and apps ask nobody for one.
with clock as (
    select
        greatest(
            (select max(watermark_to) from {{ ref('stg_github__syncs') }} where sync_status = 'done'),
            (select max(extracted_at) from {{ ref('stg_github__pull_requests') }})
        ) as as_of
),

pulls as (
    select pulls.*
    from {{ ref('stg_github__pull_requests') }} as pulls
    inner join {{ ref('stg_github__repositories') }} as repositories using (repository_id)
    where not coalesce(pulls.is_bot, false)
        and not {{ is_github_app('pulls.author') }}
        and not coalesce(repositories.is_archived, false)
),

periods as (
    select
        pulls.pull_request_id,
        -- One that was first seen closed is known by what it was then.
        if(drafts.pull_request_id is null, if(pulls.is_draft, null, pulls.created_at), drafts.ready_at) as ready_at,
        least(
            feedback.first_review_at,
            pulls.merged_at,
            pulls.closed_at,
            pulls.deleted_at,
            pulls.unreachable_since,
            drafts.draft_since
        ) as closed_at
    from pulls
    left join {{ ref('int_github__draft_times') }} as drafts using (pull_request_id)
    left join {{ ref('int_github__feedback') }} as feedback using (pull_request_id)
),

measured as (
    select
        periods.*,
        clock.as_of,
        {{ after_working_hours('periods.ready_at', risk_limit('review_wait', 'opens')) }} as first_seen_at,
        {{ working_hours_between('periods.ready_at', 'coalesce(periods.closed_at, clock.as_of)') }} as value
    from periods
    cross join clock
    where periods.ready_at is not null and {{ risk_is_kept('periods.closed_at', 'clock.as_of') }}
)

select
    'review_wait' as kind,
    'pull_request' as subject_kind,
    pull_request_id as subject_id,
    'github' as source,
    first_seen_at,
    closed_at,
    as_of,
    value,
    cast({{ risk_limit('review_wait', 'opens') }} as double) as threshold,
    cast({{ risk_limit('review_wait', 'urgent') }} as double) as urgent,
    'working hours' as unit,
    'waiting ' || {{ counted('value', 'working hour') }} || ' for a first review' as what,
    cast([] as varchar[]) as ids,
    cast([] as varchar[]) as links
from measured
where first_seen_at < coalesce(closed_at, 'infinity') and first_seen_at <= as_of
