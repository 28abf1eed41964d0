with accounts as (
    select accounts.*, known.place
    from {{ ref('person_accounts') }} as accounts
    inner join {{ ref('int_people__accounts') }} as known using (tool, account_id)
    where accounts.person_id is not null and not accounts.is_bot
)

select
    ---------- ids
    person_id,

    ---------- text
    coalesce(arg_min(account_name, (place, account_id)), min(email), person_id) as person_name,
    arg_min(email, (place, account_id)) as email,
    list_sort(list_distinct(list(tool))) as tools,

    ---------- numbers
    count(*) as account_count,

    ---------- flags
    bool_or(is_active) as is_active,
    bool_or(is_resolved) as is_resolved
from accounts
group by person_id
