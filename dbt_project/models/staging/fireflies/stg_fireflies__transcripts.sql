with source as (
    select * from {{ source('fireflies', 'transcripts') }}
),

renamed as (
    select
        ---------- ids
        id as transcript_id,
        site,
        sync_id,

        ---------- text
        title,
        organizer_email,
        host_email,
        summary_status,
        privacy,
        overview,
        action_items,
        meeting_link,
        transcript_url,

        ---------- documents
        keywords,

        ---------- numbers
        duration_minutes,
        sentence_total,

        ---------- flags
        is_live,
        is_whole,
        is_private,
        deleted_at is not null as is_deleted,

        ---------- timestamps
        started_at,
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
