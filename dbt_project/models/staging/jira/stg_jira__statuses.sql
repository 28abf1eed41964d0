with source as (
    select * from {{ source('jira', 'statuses') }}
),

renamed as (
    select
        ---------- ids
        id as status_id,
        project_id,
        site,
        sync_id,

        ---------- text
        name as status_name,
        -- What Jira calls No Category is work that nobody began.
        if(category = 'undefined', 'new', category) as status_category,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
