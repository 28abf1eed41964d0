select transcript_id as meeting_id, title, overview, keywords, transcript_url as url, privacy, started_at
from {{ ref('int_fireflies__meetings') }}
where is_private
