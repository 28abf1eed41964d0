with source as (
    select * from {{ source('jira', 'links') }}
),

renamed as (
    select
        ---------- ids
        id as link_id,
        source_issue_id,
        target_issue_id,
        site,
        sync_id,

        ---------- text
        type as link_type,
        outward,
        payload ->> '$.type.inward' as inward,

        ---------- flags
        deleted_at is not null as is_deleted,

        ---------- timestamps
        extracted_at,
        deleted_at,
        unreachable_since
    from source
)

select * from renamed
