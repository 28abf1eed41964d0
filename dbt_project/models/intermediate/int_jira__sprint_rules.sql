with sprints as (
    select * from {{ ref('stg_jira__sprints') }}
),

boards as (
    select
        *,
        from_json(done_status_ids, '["VARCHAR"]') as done_statuses,
        list_distinct(flatten([c['status_ids'] for c in from_json(columns, '[{"status_ids": ["VARCHAR"]}]')])) as statuses
    from {{ ref('int_jira__sprint_boards') }}
),

-- Without a board's configuration: the story points field that most issues of the sprint are estimated with.
fields_in_use as (
    select
        sprint_spans.sprint_id,
        fields.field_id,
        row_number() over (
            partition by sprint_spans.sprint_id
            order by count(distinct sprint_spans.issue_id) desc, fields.field_id
        ) as place
    from {{ ref('int_jira__sprint_spans') }} as sprint_spans
    inner join {{ ref('int_jira__estimate_spans') }} as estimates using (issue_id)
    inner join {{ ref('stg_jira__fields') }} as fields
        on fields.field_id = estimates.field_id
        and fields.field_role in ('story_points', 'story_point_estimate')
    where estimates.estimate is not null
    group by sprint_spans.sprint_id, fields.field_id
),

ruled as (
    select
        sprints.sprint_id,
        sprints.board_id,
        names.board_name,
        case
            when boards.estimation_type is null then fields_in_use.field_id
            when boards.estimation_type = 'field' then boards.estimation_field_id
        end as estimation_field_id,
        boards.estimation_field_name,
        if(len(boards.done_statuses) > 0, 'board_column', 'status_category') as done_rule,
        boards.done_statuses as done_status_ids,
        boards.statuses as board_status_ids
    from sprints
    left join boards using (sprint_id)
    left join {{ ref('stg_jira__boards') }} as names on names.board_id = sprints.board_id
    left join fields_in_use on fields_in_use.sprint_id = sprints.sprint_id and fields_in_use.place = 1
)

select
    ruled.* exclude (estimation_field_name),
    coalesce(fields.field_name, ruled.estimation_field_name) as estimation_field
from ruled
left join {{ ref('stg_jira__fields') }} as fields on fields.field_id = ruled.estimation_field_id
