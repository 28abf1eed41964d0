with source as (
    select * from {{ source('tempo', 'accounts') }}
),

renamed as (
    select
        ---------- ids
        id as account_id,
        lead_id,
        site,
        sync_id,

        ---------- text
        key as account_key,
        name as account_name,
        status as account_status,
        category_key,
        category_type,
        customer_key,
        customer_name,

        ---------- numbers
        monthly_budget,

        ---------- flags
        is_global,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
