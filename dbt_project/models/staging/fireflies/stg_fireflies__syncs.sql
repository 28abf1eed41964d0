with source as (
    select * from {{ source('fireflies', 'syncs') }}
),

renamed as (
    select
        ---------- ids
        sync_id,

        ---------- text
        source,
        mode,
        status as sync_status,
        error as error_message,

        ---------- documents
        rows as row_counts,
        streams,

        ---------- numbers
        requests,
        limit_waits,
        limit_wait_seconds,
        extract_seconds,
        normalize_seconds,
        load_seconds,

        ---------- flags
        census as is_census,

        ---------- timestamps
        window_start,
        window_end,
        watermark_from,
        watermark_to,
        started_at,
        finished_at
    from source
)

select * from renamed
