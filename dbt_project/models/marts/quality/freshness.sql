with syncs as (
    select * from {{ ref('int_quality__syncs') }}
),

latest as (
    select *
    from syncs
    qualify row_number() over (partition by source order by started_at desc, sync_id desc) = 1
),

by_source as (
    select
        source,
        max(finished_at) filter (where sync_status = 'done') as last_done_at,
        max(watermark_to) filter (where sync_status = 'done' and mode = 'live') as read_until,
        max(finished_at) filter (where sync_status = 'done' and is_census) as last_census_at,
        any_value(newest_change_at) as newest_change_at,
        count(*) filter (where sync_status = 'done') as syncs_done,
        count(*) filter (where sync_status <> 'done') as syncs_not_done
    from syncs
    group by source
)

select
    by_source.source,
    by_source.read_until,
    by_source.last_done_at,
    by_source.last_census_at,
    by_source.newest_change_at,
    latest.mode as last_mode,
    latest.sync_status as last_status,
    latest.error_message as last_error,
    by_source.syncs_done,
    by_source.syncs_not_done
from by_source
inner join latest using (source)
