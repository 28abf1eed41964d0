with keys as (
    select issue_key, issue_id, true as is_current, updated_at as since from {{ ref('stg_jira__issues') }}
    union all
    -- An issue that moved to another project is still spoken of by the key that it had.
    select from_string, issue_id, false, created_at
    from {{ ref('int_jira__change_items') }}
    where lower(field_name) = 'key' and from_string is not null and not is_deleted
)

select issue_key, issue_id, is_current
from keys
-- A key is not given twice, but an issue may have been moved away and back.
qualify row_number() over (partition by issue_key order by is_current desc, since desc) = 1
