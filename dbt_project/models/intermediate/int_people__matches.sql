with recursive accounts as (
    select *, tool || ':' || account_id as node from {{ ref('int_people__accounts') }} where not is_bot
),

addresses as (
    select tool || ':' || account_id as node, email from {{ ref('int_people__addresses') }}
),

shared as (
    select email from addresses group by email having count(*) > 1
),

by_email as (
    select distinct addresses.node from addresses inner join shared using (email)
),

-- An account that its address has joined to another is not asked for in the mapping file: what is verified stands.
by_mapping as (
    select accounts.node, any_value(mapping.person_email) as person_email
    from {{ ref('int_people__mapping') }} as mapping
    inner join accounts using (tool, account_id)
    left join by_email using (node)
    where by_email.node is null
    group by accounts.node
),

edges as (
    select node as from_node, 'address:' || email as to_node from addresses
    union
    select node, 'address:' || person_email from by_mapping
    union
    -- Tempo's account is the Atlassian account itself.
    select node, 'jira:' || account_id from accounts where tool = 'tempo'
),

both_ways as (
    select from_node, to_node from edges
    union
    select to_node, from_node from edges
),

reached (node, reached_node) as (
    select node, node from accounts
    union
    select reached.node, both_ways.to_node
    from reached
    inner join both_ways on both_ways.from_node = reached.reached_node
),

-- The one account that names the person: of the first tool, so that it stays when an address changes.
named as (
    select
        reached.node,
        arg_min(
            reached.reached_node,
            (others.place, others.node)
        ) as person_id
    from reached
    inner join accounts as others on others.node = reached.reached_node
    where others.account_kind = 'account' or reached.node = others.node
    group by reached.node
)

select
    accounts.tool,
    accounts.account_id,
    case
        when by_email.node is not null then 'email'
        when by_mapping.node is not null then 'mapping'
        when accounts.tool = 'tempo' then 'same account'
        when accounts.node in (select node from addresses) then 'own address'
    end as matched_by,
    -- A bare name, or an address that anybody could have typed, is nobody until the mapping file says who.
    if(accounts.account_kind = 'account' or by_mapping.node is not null, named.person_id, null) as person_id
from accounts
left join named using (node)
left join by_email using (node)
left join by_mapping using (node)
