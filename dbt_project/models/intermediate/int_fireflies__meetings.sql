{{ config(materialized="view") }}

-- What does not say who may see it is treated as private.
select * exclude (is_private), coalesce(is_private, true) as is_private
from {{ ref('stg_fireflies__transcripts') }}
