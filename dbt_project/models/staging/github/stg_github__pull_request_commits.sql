with source as (
    select * from {{ source('github', 'pull_requests') }}
),

unnested as (
    select
        id,
        repository_id,
        number,
        merged_at,
        deleted_at,
        unreachable_since,
        unnest(from_json(commit_shas, '["varchar"]')) as sha,
        generate_subscripts(from_json(commit_shas, '["varchar"]'), 1) as place
    from source
)

select
    ---------- ids
    id as pull_request_id,
    repository_id || ':' || sha as commit_id,
    repository_id,
    sha,

    ---------- numbers
    number as pull_request_number,
    place,

    ---------- flags
    deleted_at is not null as is_deleted,

    ---------- timestamps
    merged_at,
    unreachable_since
from unnested
