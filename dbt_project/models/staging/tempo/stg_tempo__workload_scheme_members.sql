with source as (
    select * from {{ source('tempo', 'workload_scheme_members') }}
),

renamed as (
    select
        ---------- ids
        id as workload_scheme_member_id,
        scheme_id,
        member_id,
        site,
        sync_id,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
