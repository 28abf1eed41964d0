with addresses as (
    select 'jira' as tool, user_id as account_id, email from {{ ref('stg_jira__users') }}
    union all
    select 'slack', user_id, email from {{ ref('stg_slack__users') }}
    union all
    select 'notion', user_id, email from {{ ref('stg_notion__users') }}
    union all
    -- GitHub names a login for a commit only where the address is verified for that login.
    select 'github', author, author_email from {{ ref('stg_github__commits') }}
    union all
    select tool, account_id, account_id
    from {{ ref('int_people__accounts') }}
    where tool = 'fireflies' and account_kind = 'account'
)

select distinct
    addresses.tool,
    addresses.account_id,
    lower(trim(addresses.email)) as email
from addresses
inner join {{ ref('int_people__accounts') }} as accounts using (tool, account_id)
where addresses.email like '%_@_%'
    and not accounts.is_bot
    -- Stands for the account at GitHub alone, and nobody receives mail there.
    and addresses.email not ilike '%@users.noreply.github.com'
