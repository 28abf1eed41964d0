with source as (
    select * from {{ source('tempo', 'team_members') }}
),

renamed as (
    select
        ---------- ids
        id as membership_id,
        team_id,
        member_id,
        role_id,
        site,
        sync_id,

        ---------- text
        role_name,

        ---------- numbers
        commitment_percent,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- dates
        start_date,
        last_date,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
