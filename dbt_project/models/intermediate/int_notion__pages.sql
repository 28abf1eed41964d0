{{ config(materialized="view") }}

select pages.*, private.page_id is not null as is_private
from {{ ref('stg_notion__pages') }} as pages
left join {{ ref('int_notion__private_pages') }} as private using (page_id)
