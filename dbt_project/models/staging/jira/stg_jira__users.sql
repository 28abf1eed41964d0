with source as (
    select * from {{ source('jira', 'users') }}
),

renamed as (
    select
        ---------- ids
        id as user_id,
        site,
        sync_id,

        ---------- text
        display_name,
        email,
        account_type,
        time_zone,

        ---------- flags
        is_active,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
