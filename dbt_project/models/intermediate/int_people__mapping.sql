{#- The mapping file lies with the copies of the raw files, checked; a build by hand may find none. -#}
{%- set file = env_var('IMPULSUM_RAW', env_var('IMPULSUM_HOME', '../.impulsum')) ~ '/people.csv' -%}
{%- set there = execute and run_query("select 1 from glob('" ~ file ~ "')").rows | length > 0 -%}

select
    tool,
    account as account_id,
    lower(person) as person_email
from
{% if there %}
    read_csv('{{ file }}', header = true, all_varchar = true, delim = ',', quote = '"', escape = '"')
{% else %}
    (select null::varchar as tool, null::varchar as account, null::varchar as person where false) as nobody
{% endif %}
