with signals as (
    {% for kind in ['blocked', 'overdue', 'ageing', 'carried_over', 'unassigned', 'scope_growth', 'review_wait', 'hours_on_closed'] -%}
    select * from {{ ref('int_risk__' ~ kind) }}
    {% if not loop.last %}union all by name{% endif %}
    {% endfor %}
),

-- Of one that came again, the newest time.
newest as (
    select *
    from signals
    where {{ risk_is_kept('closed_at', 'as_of') }}
    qualify row_number() over (partition by kind, subject_id order by first_seen_at desc) = 1
),

memberships as (
    select
        sprint_spans.issue_id,
        arg_max(
            sprint_spans.sprint_id,
            (sprints.sprint_state = 'active', sprint_spans.valid_from, try_cast(sprint_spans.sprint_id as hugeint))
        ) as sprint_id,
        bool_or(sprints.sprint_state = 'active') as in_active_sprint
    from {{ ref('int_jira__sprint_spans') }} as sprint_spans
    inner join {{ ref('stg_jira__sprints') }} as sprints using (sprint_id)
    where sprint_spans.valid_to is null and not sprints.is_deleted
    group by sprint_spans.issue_id
),

teams as (
    select members.member_id, min(teams.team_name) as team
    from {{ ref('stg_tempo__team_members') }} as members
    inner join {{ ref('stg_tempo__teams') }} as teams using (team_id)
    cross join {{ ref('int_jira__now') }} as clock
    where not members.is_deleted
        and not teams.is_deleted
        and cast({{ local_time('clock.as_of') }} as date)
        between coalesce(members.start_date, '-infinity') and coalesce(members.last_date, 'infinity')
    group by members.member_id
),

subjects as (
    select
        'issue' as subject_kind,
        issues.issue_id as subject_id,
        issues.issue_key as subject_key,
        issues.summary as subject_name,
        {{ issue_url('issues') }} as url,
        issues.project_key as project,
        rules.board_id,
        rules.board_name as board,
        teams.team,
        coalesce(lower(issues.priority) in (select unnest({{ risk_words('risk_top_priorities') }})), false) as is_top,
        coalesce(memberships.in_active_sprint, false) as in_active_sprint,
        issues.status_category in ('indeterminate', 'done') as is_begun,
        issues.updated_at
    from {{ ref('stg_jira__issues') }} as issues
    left join memberships using (issue_id)
    left join {{ ref('int_jira__sprint_rules') }} as rules using (sprint_id)
    left join teams on teams.member_id = issues.assignee_id

    union all

    select
        'sprint',
        sprints.sprint_id,
        sprints.sprint_id,
        sprints.sprint_name,
        'https://' || sprints.site || '/secure/RapidBoard.jspa?rapidView=' || sprints.board_id || '&sprint='
        || sprints.sprint_id,
        projects.project_key,
        sprints.board_id,
        boards.board_name,
        null,
        false,
        false,
        true,
        null
    from {{ ref('stg_jira__sprints') }} as sprints
    left join {{ ref('stg_jira__boards') }} as boards using (board_id)
    left join {{ ref('stg_jira__projects') }} as projects using (project_id)

    union all

    select
        'pull_request',
        pulls.pull_request_id,
        repositories.full_name || '#' || pulls.pull_request_number,
        pulls.title,
        pulls.url,
        repositories.full_name,
        null,
        null,
        null,
        false,
        false,
        true,
        null
    from {{ ref('stg_github__pull_requests') }} as pulls
    left join {{ ref('stg_github__repositories') }} as repositories using (repository_id)
),

scored as (
    select
        newest.*,
        subjects.* exclude (subject_kind, subject_id),
        newest.closed_at is null as is_open,
        least(100, 40 + 40 * (newest.value - newest.threshold) / (newest.urgent - newest.threshold)) as urgency,
        if(subjects.is_top, 20, 0) + if(subjects.in_active_sprint and newest.kind <> 'hours_on_closed', 20, 0) as weight,
        -- Work that nobody has planned or begun, or touched for long: nobody will drop other work for it today.
        newest.subject_kind = 'issue'
        and not subjects.is_top
        and not subjects.in_active_sprint
        and (
            (newest.kind in ('blocked', 'carried_over', 'unassigned') and not coalesce(subjects.is_begun, false))
            or subjects.updated_at < newest.as_of - interval {{ var('risk_dormant_days') | int }} day
        ) as is_dormant
    from newest
    inner join subjects using (subject_kind, subject_id)
),

ranked as (
    select *, round(least(if(is_dormant, 50, 100), urgency + weight), 1) as score
    from scored
)

select
    ---------- ids
    kind || ':' || subject_id as signal_id,
    kind,
    subject_kind,
    subject_id,
    subject_key,
    board_id,

    ---------- text
    subject_name,
    url,
    source,
    project,
    board,
    team,
    case when score >= 80 then 'P1' when score >= 60 then 'P2' else 'P3' end as severity,
    if(
        is_open,
        upper(what[1]) || what[2:],
        'Until ' || strftime(closed_at, '%Y-%m-%d %H:%M') || ' UTC: ' || what
    ) || '.' as why,
    json_object(
        'ids', list_prepend(subject_kind || ':' || subject_key, ids),
        'links', list_filter(list_prepend(url, links), lambda link: link is not null)
    ) as evidence,

    ---------- numbers
    value,
    threshold,
    unit,
    score,

    ---------- flags
    is_open,

    ---------- timestamps
    first_seen_at,
    coalesce(closed_at, greatest(as_of, first_seen_at)) as last_seen_at,
    closed_at
from ranked
