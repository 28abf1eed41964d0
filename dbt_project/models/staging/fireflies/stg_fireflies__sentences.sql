with source as (
    select * from {{ source('fireflies', 'sentences') }}
),

renamed as (
    select
        ---------- ids
        id as sentence_id,
        transcript_id,
        speaker_id,
        site,
        sync_id,

        ---------- text
        speaker as speaker_name,
        text as sentence_text,

        ---------- numbers
        index as sentence_number,
        start_seconds,
        end_seconds,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
