{#- GitHub lists no users to a repository's reader: an account is known by what it did. -#}
{%- set github = {
    'stg_github__pull_requests': ['author', 'merged_by'],
    'stg_github__reviews': ['author'],
    'stg_github__review_comments': ['author'],
    'stg_github__issue_comments': ['author'],
    'stg_github__commits': ['author'],
    'stg_github__issues': ['author', 'closed_by'],
    'stg_github__releases': ['author'],
    'stg_github__deployments': ['creator'],
} -%}

with jira as (
    select
        user_id as account_id,
        display_name as account_name,
        'account' as account_kind,
        (account_type is not distinct from 'app') as is_bot,
        coalesce(is_active, false) and not is_deleted as is_active
    from {{ ref('stg_jira__users') }}
),

tempo_ids as (
    select author_id as account_id from {{ ref('stg_tempo__worklogs') }}
    union
    select member_id from {{ ref('stg_tempo__team_members') }}
    union
    select assignee_id from {{ ref('stg_tempo__plans') }} where assignee_type = 'USER'
),

-- Tempo knows people by their Atlassian account and has no names of its own.
tempo as (
    select
        tempo_ids.account_id,
        jira.account_name,
        'account' as account_kind,
        coalesce(jira.is_bot, false) as is_bot,
        coalesce(jira.is_active, true) as is_active
    from tempo_ids
    left join jira using (account_id)
    where tempo_ids.account_id is not null
),

slack as (
    select
        user_id as account_id,
        coalesce(nullif(real_name, ''), nullif(display_name, ''), user_name) as account_name,
        'account' as account_kind,
        coalesce(is_bot, false) as is_bot,
        coalesce(is_active, false) and not is_deleted as is_active
    from {{ ref('stg_slack__users') }}
),

notion as (
    select
        user_id as account_id,
        name as account_name,
        'account' as account_kind,
        (type is not distinct from 'bot') as is_bot,
        not is_deleted as is_active
    from {{ ref('stg_notion__users') }}
),

github_logins as (
    {% for model, columns in github.items() -%}
    {% for column in columns -%}
    select {{ column }} as account_id, {{ 'is_bot' if column == 'author' and model == 'stg_github__pull_requests' else 'null' }} as is_bot
    from {{ ref(model) }}
    {% if not loop.last %}union all{% endif %}
    {% endfor -%}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

github_names as (
    select author as account_id, arg_max(author_name, authored_at) as account_name
    from {{ ref('stg_github__commits') }}
    where author is not null
    group by author
),

github as (
    select
        github_logins.account_id,
        any_value(github_names.account_name) as account_name,
        'account' as account_kind,
        coalesce(bool_or(github_logins.is_bot), false) or github_logins.account_id like '%[bot]' as is_bot,
        true as is_active
    from github_logins
    left join github_names using (account_id)
    where github_logins.account_id is not null
    group by github_logins.account_id
),

-- Anybody can write any address into a commit; only one that belongs to a login is verified.
github_addresses as (
    select
        lower(author_email) as account_id,
        arg_max(author_name, authored_at) as account_name,
        'unverified address' as account_kind,
        false as is_bot,
        true as is_active
    from {{ ref('stg_github__commits') }}
    where author is null and author_email is not null
    group by lower(author_email)
),

fireflies_addresses as (
    select lower(email) as account_id, attendee_name as account_name from {{ ref('stg_fireflies__attendees') }}
    union all
    select lower(organizer_email), null from {{ ref('stg_fireflies__transcripts') }}
    union all
    select lower(host_email), null from {{ ref('stg_fireflies__transcripts') }}
),

fireflies as (
    select
        account_id,
        max(account_name) as account_name,
        'account' as account_kind,
        false as is_bot,
        true as is_active
    from fireflies_addresses
    where account_id is not null
    group by account_id
),

-- A name alone is never matched by itself; the mapping file can say whose it is.
fireflies_names as (
    select distinct
        account_name as account_id,
        account_name,
        'name' as account_kind,
        false as is_bot,
        true as is_active
    from (
        select attendee_name as account_name from {{ ref('stg_fireflies__attendees') }} where email is null
        union all
        select person from {{ ref('stg_fireflies__action_items') }}
        union all
        select speaker_name from {{ ref('stg_fireflies__sentences') }}
    )
    where account_name is not null
),

everybody as (
    select 'jira' as tool, * from jira where account_id is not null
    union all
    select 'tempo' as tool, * from tempo
    union all
    select 'slack' as tool, * from slack
    union all
    select 'notion' as tool, * from notion
    union all
    select 'github' as tool, * from github
    union all
    select 'github' as tool, * from github_addresses
    union all
    select 'fireflies' as tool, * from fireflies
    union all
    select 'fireflies' as tool, * from fireflies_names
)

select
    *,
    -- The earlier tool's account and name stand for the person.
    list_position(['jira', 'slack', 'notion', 'github', 'fireflies', 'tempo'], tool) as place
from everybody
-- A display name, or an address in a commit, may be written like an account: the account it is.
qualify row_number() over (partition by tool, account_id order by account_kind <> 'account') = 1
