with source as (
    select * from {{ source('jira', 'sprints') }}
),

renamed as (
    select
        ---------- ids
        id as sprint_id,
        board_id,
        site,
        sync_id,

        ---------- text
        name as sprint_name,
        state as sprint_state,
        goal,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        created_at,
        start_at,
        end_at,
        complete_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
