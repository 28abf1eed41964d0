{#-
    The record of each build, kept in the warehouse for publishing.

    audit.invocations: one row per dbt invocation that touches data; finished_at is null while it runs, and stays
    null when it was killed.
    audit.node_results: one row per model and test of the project, with its latest result; a mart that no invocation
    has tried yet is 'never built'.
-#}

{% macro _is_audited() -%}
    {{ return(execute and flags.WHICH in ['build', 'run', 'test', 'retry']) }}
{%- endmacro %}

{% macro _text(value) -%}
    {%- if value is none -%} null {%- else -%} '{{ (value | string).replace("'", "''") }}' {%- endif -%}
{%- endmacro %}

{% macro audit_start() -%}
    {%- if _is_audited() %}
        create schema if not exists audit;
        create table if not exists audit.invocations (
            invocation_id varchar primary key,
            started_at timestamptz not null,
            finished_at timestamptz,
            command varchar not null
        );
        create table if not exists audit.node_results (
            unique_id varchar primary key,
            status varchar not null,
            invocation_id varchar not null,
            finished_at timestamptz not null,
            message varchar
        );
        insert into audit.invocations
        values ('{{ invocation_id }}', '{{ run_started_at.isoformat() }}'::timestamptz, null, '{{ flags.WHICH }}');
    {%- endif %}
{%- endmacro %}

{% macro audit_end(results) -%}
    {%- if _is_audited() %}
        {#- A unit test checks the code, not the data. When it fails, dbt skips its model, and that is recorded. -#}
        {%- set audited = results | rejectattr('node.resource_type', 'in', ['unit_test', 'operation']) | list -%}
        {%- if audited %}
            insert or replace into audit.node_results
            values
            {%- for result in audited %}
                (
                    {{ _text(result.node.unique_id) }},
                    {{ _text(result.status) }},
                    '{{ invocation_id }}',
                    now(),
                    {{ _text(result.message) }}
                )
                {{- "," if not loop.last }}
            {%- endfor %};
        {%- endif %}
        {#- A build of some models must not count as a build of all: the others would be missing in the published file. -#}
        insert or ignore into audit.node_results
        values
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'marts' %}
            ({{ _text(node.unique_id) }}, 'never built', '{{ invocation_id }}', now(), null)
            {{- "," if not loop.last }}
        {%- endfor %};
        -- A model or test that was removed from the project must neither block nor allow a publish.
        delete from audit.node_results
        where unique_id not in (
            {%- for node in graph.nodes.values() %}
                {{ _text(node.unique_id) }}{{ "," if not loop.last }}
            {%- endfor %}
        );
        update audit.invocations set finished_at = now() where invocation_id = '{{ invocation_id }}';
    {%- endif %}
{%- endmacro %}
