select page_id, title, url, properties, updated_at
from {{ ref('int_notion__pages') }}
where is_private
