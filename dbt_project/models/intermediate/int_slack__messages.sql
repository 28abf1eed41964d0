{{ config(materialized="view") }}

-- Private where either says so, or nobody does: a channel may have been made private after it was read.
select
    messages.* exclude (is_private),
    coalesce(messages.is_private, true) or coalesce(channels.is_private, true) as is_private
from {{ ref('stg_slack__messages') }} as messages
left join {{ ref('stg_slack__channels') }} as channels using (channel_id)
