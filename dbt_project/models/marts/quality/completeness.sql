with newest_census as (
    select *
    from {{ ref('int_quality__census') }}
    qualify row_number() over (partition by source, entity, scope_id order by taken_at desc, sync_id desc) = 1
),

-- Jira gives a total per project, so its issues can be compared before the first census.
latest_census as (
    select * from newest_census where source = 'jira' and entity = 'issues'
),

held as (
    select
        project_id,
        count(*) filter (where not is_deleted and unreachable_since is null) as held,
        count(*) filter (where is_deleted) as deleted,
        count(*) filter (where not is_deleted and unreachable_since is not null) as unreachable
    from {{ ref('stg_jira__issues') }}
    group by project_id
),

scopes as (
    select project_id, project_key, issue_total, extracted_at from {{ ref('stg_jira__projects') }}
),

-- A census counts both sides at the same time, so it is preferred to the project's own total, which gets old.
compared as (
    select
        coalesce(scopes.project_id, latest_census.scope_id, held.project_id) as scope_id,
        coalesce(scopes.project_key, latest_census.scope_name) as scope_name,
        if(latest_census.scope_id is not null, 'census', 'project total') as basis,
        coalesce(latest_census.taken_at, scopes.extracted_at) as counted_at,
        coalesce(latest_census.at_source, scopes.issue_total) as at_source,
        coalesce(if(latest_census.scope_id is not null, latest_census.held, held.held), 0) as held,
        coalesce(held.held, 0) as held_now,
        coalesce(latest_census.missing, 0) as repaired,
        coalesce(held.deleted, 0) as deleted,
        coalesce(held.unreachable, 0) as unreachable
    from scopes
    full join held using (project_id)
    full join latest_census on latest_census.scope_id = coalesce(scopes.project_id, held.project_id)
)

select
    'jira' as source,
    'issues' as entity,
    scope_id,
    scope_name,
    basis,
    counted_at,
    at_source,
    held,
    at_source - held as difference,
    held_now,
    repaired,
    deleted,
    unreachable,
    case
        when at_source is null then 'the source does not say how many it has'
        when at_source = held then 'complete'
        when at_source > held and basis = 'census' then 'the census could not read them all again'
        when at_source > held then 'not counted by a census yet; issues may be newer than the last pull'
        when unreachable > 0 then 'part of the project cannot be seen any more'
        else 'the source counts fewer than are held: deleted since, or not visible to the account'
    end as why
from compared

union all by name

select
    source,
    entity,
    scope_id,
    scope_name,
    'census' as basis,
    taken_at as counted_at,
    at_source,
    held,
    at_source - held as difference,
    missing as repaired,
    deleted,
    unreachable,
    case
        when at_source = held then 'complete'
        when at_source > held then 'the census could not read them all again'
        else 'the source counts fewer than are held: not visible to the account, or its count is rounded'
    end as why
from newest_census
where not (source = 'jira' and entity = 'issues')
