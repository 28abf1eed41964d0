with mentions as (
    select
        * exclude (searched_text),
        -- An underscore is part of a word to the regular expression, but ends a key.
        unnest(regexp_extract_all(replace(searched_text, '_', ' '), '\b[A-Z][A-Z0-9]+-[0-9]+\b')) as mentioned_key
    from {{ ref('int_links__texts') }}
),

-- Only keys that an issue has or had: UTF-8 is none.
by_key as (
    select mentions.*, keys.issue_id
    from mentions
    inner join {{ ref('int_jira__issue_keys') }} as keys on keys.issue_key = mentions.mentioned_key
),

-- Hours name their issue by its id.
by_id as (
    select
        'tempo' as tool,
        'worklogs' as entity,
        worklog_id as entity_id,
        worklog_id as part_of_id,
        'issue' as found_in,
        author_id as account_id,
        coalesce(started_at, created_at) as happened_at,
        false as is_private,
        null as mentioned_key,
        issue_id
    from {{ ref('stg_tempo__worklogs') }}
    where not is_deleted and issue_id in (select issue_id from {{ ref('stg_jira__issues') }})
    union all
    select 'jira', 'worklogs', worklog_id, worklog_id, 'issue', author_id, started_at, false, null, issue_id
    from {{ ref('stg_jira__worklogs') }}
    where not is_deleted and issue_id in (select issue_id from {{ ref('stg_jira__issues') }})
),

links as (
    select
        tool, entity, entity_id, found_in, issue_id,
        any_value(part_of_id) as part_of_id,
        any_value(account_id) as account_id,
        any_value(happened_at) as happened_at,
        any_value(is_private) as is_private,
        min(mentioned_key) as mentioned_key,
        count(*) as mentions
    from (select * from by_key union all by name select * from by_id) as mentions_of_both
    group by tool, entity, entity_id, found_in, issue_id
)

select
    ---------- ids
    links.tool,
    links.entity,
    links.entity_id,
    links.found_in,
    links.issue_id,
    issues.issue_key,
    links.part_of_id,
    accounts.person_id,

    ---------- text
    coalesce(links.mentioned_key, issues.issue_key) as mentioned_key,

    ---------- numbers
    links.mentions,

    ---------- flags
    coalesce(links.is_private, false) as is_private,

    ---------- timestamps
    links.happened_at
from links
inner join {{ ref('stg_jira__issues') }} as issues using (issue_id)
left join {{ ref('person_accounts') }} as accounts using (tool, account_id)
