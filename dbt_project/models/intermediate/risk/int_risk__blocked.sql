with clock as (
    select as_of from {{ ref('int_jira__now') }}
),

issues as (
    select * from {{ ref('stg_jira__issues') }}
),

open_work as (
    select * from {{ ref('int_risk__open_work') }}
),

flagged as (
    select issue_id, 'flagged' as reason, null as link_id, null as blocker_id, valid_from, valid_to
    from {{ ref('int_risk__field_spans') }}
    where kind = 'flag' and value is not null
),

status_names as (
    select status_id, status_name from {{ ref('stg_jira__statuses') }}
    union
    -- A status that was deleted is still the one that an issue is in.
    select status_id, status_name
    from issues
    where status_id not in (select status_id from {{ ref('stg_jira__statuses') }})
),

in_status as (
    select
        spans.issue_id,
        'in status ' || status_names.status_name as reason,
        null as link_id,
        null as blocker_id,
        spans.valid_from,
        spans.valid_to
    from {{ ref('int_jira__status_spans') }} as spans
    inner join status_names using (status_id)
    where len(list_intersect(
        list_append(regexp_split_to_array(lower(status_names.status_name), '[^\w]+'), lower(status_names.status_name)),
        {{ risk_words('risk_blocked_statuses') }}
    )) > 0
),

links as (
    select *
    from {{ ref('stg_jira__links') }}
    where lower(coalesce(outward, link_type)) in (select unnest({{ risk_words('risk_blocking_links') }}))
),

-- Both ends of a link write it into their history, each with the other's key of that time.
link_changes as (
    select
        links.link_id,
        items.created_at,
        made.issue_id is not null as is_made
    from {{ ref('int_jira__change_items') }} as items
    left join {{ ref('int_jira__issue_keys') }} as made on made.issue_key = items.to_value
    left join {{ ref('int_jira__issue_keys') }} as removed on removed.issue_key = items.from_value
    inner join links
        on least(links.source_issue_id, links.target_issue_id)
        = least(items.issue_id, coalesce(made.issue_id, removed.issue_id))
        and greatest(links.source_issue_id, links.target_issue_id)
        = greatest(items.issue_id, coalesce(made.issue_id, removed.issue_id))
    where lower(items.field_name) = 'link'
        and not items.is_deleted
        -- Two issues may be linked in several ways.
        and (
            contains(lower(coalesce(items.to_string, items.from_string)), lower(coalesce(links.outward, links.link_type)))
            or contains(lower(coalesce(items.to_string, items.from_string)), lower(links.inward))
        )
),

link_ends as (
    select
        links.link_id,
        max(link_changes.created_at) filter (where link_changes.is_made) as made_at,
        max(link_changes.created_at) filter (where not link_changes.is_made) as removed_at
    from links
    left join link_changes
        on link_changes.link_id = links.link_id
        and link_changes.created_at <= coalesce(links.deleted_at, 'infinity')
    group by links.link_id
),

waiting as (
    select
        links.target_issue_id as issue_id,
        'waits for ' || blockers.issue_key as reason,
        links.link_id,
        blockers.issue_id as blocker_id,
        -- Without a history it begins when it was first read: a row that did not change is not written again.
        greatest(coalesce(link_ends.made_at, links.extracted_at), blocking.valid_from) as valid_from,
        least(
            if(link_ends.removed_at > link_ends.made_at, link_ends.removed_at, null),
            links.deleted_at,
            blocking.valid_to
        ) as valid_to
    from links
    inner join link_ends using (link_id)
    inner join issues as blockers on blockers.issue_id = links.source_issue_id
    -- What is done, deleted or out of sight blocks nobody.
    inner join open_work as blocking on blocking.issue_id = links.source_issue_id
),

reasons as (
    select * from flagged
    union all
    select * from in_status
    union all
    select * from waiting
),

periods as (
    select
        reasons.issue_id,
        reasons.reason,
        reasons.link_id,
        reasons.blocker_id,
        greatest(reasons.valid_from, open_work.valid_from) as valid_from,
        least(reasons.valid_to, open_work.valid_to) as valid_to
    from reasons
    inner join open_work using (issue_id)
),

numbered as (
    {{ with_episodes("(select * from periods where valid_from < coalesce(valid_to, 'infinity'))", 'issue_id') }}
),

episodes as (
    select
        issue_id,
        episode,
        min(valid_from) as blocked_from,
        {{ last_end('valid_to') }} as closed_at
    from numbered
    group by issue_id, episode
),

-- Why it is blocked, or was at the end.
last_reasons as (
    select
        episodes.issue_id,
        episodes.episode,
        list_sort(list_distinct(list(numbered.reason))) as reasons,
        list_sort(list_distinct(list('issue:' || blockers.issue_key) filter (where blockers.issue_key is not null)))
            as blocker_ids,
        list_sort(list_distinct(list('link:' || numbered.link_id) filter (where numbered.link_id is not null)))
            as link_ids,
        list_sort(list_distinct(list({{ issue_url('blockers') }}) filter (where blockers.issue_key is not null)))
            as links
    from episodes
    inner join numbered
        on numbered.issue_id = episodes.issue_id
        and numbered.episode = episodes.episode
        and numbered.valid_to is not distinct from episodes.closed_at
    left join issues as blockers on blockers.issue_id = numbered.blocker_id
    group by episodes.issue_id, episodes.episode
),

measured as (
    select
        episodes.*,
        clock.as_of,
        {{ after_working_hours('episodes.blocked_from', risk_limit('blocked', 'opens')) }} as first_seen_at,
        -- A link without a history begins when it was read, which may be moments after all else was.
        {{ working_hours_between('episodes.blocked_from', 'coalesce(episodes.closed_at, greatest(clock.as_of, episodes.blocked_from))') }}
            as value
    from episodes
    cross join clock
)

select
    'blocked' as kind,
    'issue' as subject_kind,
    measured.issue_id as subject_id,
    'jira' as source,
    measured.first_seen_at,
    measured.closed_at,
    measured.as_of,
    measured.value,
    cast({{ risk_limit('blocked', 'opens') }} as double) as threshold,
    cast({{ risk_limit('blocked', 'urgent') }} as double) as urgent,
    'working hours' as unit,
    'blocked for ' || {{ counted('measured.value', 'working hour') }} || ': ' || array_to_string(last_reasons.reasons, ', ')
        as what,
    list_concat(coalesce(last_reasons.blocker_ids, []), coalesce(last_reasons.link_ids, [])) as ids,
    coalesce(last_reasons.links, []) as links
from measured
inner join last_reasons using (issue_id, episode)
where measured.value >= {{ risk_limit('blocked', 'opens') }}
    and measured.first_seen_at < coalesce(measured.closed_at, 'infinity')
