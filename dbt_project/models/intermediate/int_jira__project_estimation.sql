-- Outside a sprint an issue has no board to say what its points are, so the project's habit decides.
with candidates as (
    select field_id from {{ ref('stg_jira__fields') }} where field_role in ('story_points', 'story_point_estimate')
    union
    select estimation_field_id from {{ ref('stg_jira__boards') }} where estimation_type = 'field'
),

uses as (
    select
        issues.project_id,
        estimates.field_id,
        row_number() over (
            partition by issues.project_id
            order by count(*) desc, estimates.field_id
        ) as place
    from {{ ref('stg_jira__issues') }} as issues
    inner join {{ ref('int_jira__estimate_spans') }} as estimates using (issue_id)
    inner join candidates using (field_id)
    where estimates.valid_to is null and estimates.estimate is not null
    group by issues.project_id, estimates.field_id
)

select project_id, field_id as estimation_field_id
from uses
where place = 1
