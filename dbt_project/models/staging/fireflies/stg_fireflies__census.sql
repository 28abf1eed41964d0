with source as (
    select * from {{ source('fireflies', 'census') }}
),

renamed as (
    select
        ---------- ids
        sync_id,
        scope_id,

        ---------- text
        entity,
        scope_name,

        ---------- numbers
        at_source,
        held,
        missing,
        deleted,
        unreachable,
        approximate,

        ---------- timestamps
        taken_at
    from source
)

select * from renamed
