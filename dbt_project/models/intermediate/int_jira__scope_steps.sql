{{ config(materialized='ephemeral') }}

with scope as (
    select * from {{ ref('int_jira__sprint_scope') }}
),

entries as (
    select
        sprint_id,
        issue_id,
        entered_at as occurred_at,
        kind as change,
        coalesce(first_estimate, 0) as points,
        cast(null as decimal(18, 3)) as points_before,
        first_estimate as points_after,
        entered_by as changed_by
    from scope
),

reestimates as (
    select
        sprint_id,
        issue_id,
        occurred_at,
        'reestimated' as change,
        coalesce(points_after, 0) - coalesce(points_before, 0) as points,
        points_before,
        points_after,
        changed_by
    from {{ ref('int_jira__sprint_reestimates') }}
),

exits as (
    select
        sprint_id,
        issue_id,
        left_at as occurred_at,
        'removed' as change,
        -coalesce(last_estimate, 0) as points,
        last_estimate as points_before,
        cast(null as decimal(18, 3)) as points_after,
        left_by as changed_by
    from scope
    where not is_final
)

select * from entries
union all
select * from reestimates
union all
select * from exits
