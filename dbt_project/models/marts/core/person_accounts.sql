with addresses as (
    select tool, account_id, min(email) as email, count(*) as address_count
    from {{ ref('int_people__addresses') }}
    group by tool, account_id
)

select
    ---------- ids
    accounts.tool,
    accounts.account_id,
    matches.person_id,

    ---------- text
    accounts.account_name,
    accounts.account_kind,
    addresses.email,
    matches.matched_by,

    ---------- numbers
    coalesce(addresses.address_count, 0) as address_count,

    ---------- flags
    accounts.is_bot,
    accounts.is_active,
    -- A person is known by an address or by the mapping file; any account of theirs then is.
    coalesce(
        accounts.is_bot or (
            matches.person_id is not null
            and bool_or(matches.matched_by in ('email', 'own address', 'mapping'))
                over (partition by matches.person_id)
        ),
        false
    ) as is_resolved
from {{ ref('int_people__accounts') }} as accounts
left join {{ ref('int_people__matches') }} as matches using (tool, account_id)
left join addresses using (tool, account_id)
