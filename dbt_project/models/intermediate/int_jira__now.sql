-- Up to when the data reaches, by the source's clock: what "now" means to an active sprint. A quiet week moves it
-- too, because a sync that found nothing still moves its watermark.
select
    coalesce(
        greatest(
            (select max(watermark_to) from {{ ref('stg_jira__syncs') }} where sync_status = 'done'),
            (select max(extracted_at) from {{ ref('stg_jira__issues') }}),
            (select max(extracted_at) from {{ ref('stg_jira__changes') }}),
            (select max(extracted_at) from {{ ref('stg_jira__sprints') }})
        ),
        'epoch'::timestamptz
    ) as as_of
