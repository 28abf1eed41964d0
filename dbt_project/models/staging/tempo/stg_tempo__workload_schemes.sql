with source as (
    select * from {{ source('tempo', 'workload_schemes') }}
),

renamed as (
    select
        ---------- ids
        id as workload_scheme_id,
        site,
        sync_id,

        ---------- text
        name,
        description,

        ---------- numbers
        member_total,
        week_seconds,

        ---------- documents
        days,

        ---------- flags
        is_default,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
