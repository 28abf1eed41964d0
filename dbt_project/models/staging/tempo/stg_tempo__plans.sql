with source as (
    select * from {{ source('tempo', 'plans') }}
),

renamed as (
    select
        ---------- ids
        id as plan_id,
        assignee_id,
        item_id,
        issue_id,
        creator_id,
        site,
        sync_id,

        ---------- text
        assignee_type,
        item_type,
        effort_type,
        rule as recurrence_rule,
        description as plan_description,

        ---------- numbers
        planned_seconds_per_day,
        total_planned_seconds,

        ---------- flags
        includes_non_working_days,
        deleted_at is not null as is_deleted,

        ---------- dates
        start_date,
        end_date,
        recurrence_end_date,

        ---------- timestamps
        created_at,
        updated_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
