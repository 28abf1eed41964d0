{#-
    The build's own record, kept in the warehouse for whoever publishes it.

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
        {#- A unit test judges the code; when it fails, its model is skipped, and that is on record. -#}
        {%- set judged = results | rejectattr('node.resource_type', 'in', ['unit_test', 'operation']) | list -%}
        {%- if judged %}
            insert or replace into audit.node_results
            values
            {%- for result in judged %}
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
        {#- The build of a part must not pass for one of the whole: the rest would go missing from what is published. -#}
        insert or ignore into audit.node_results
        values
        {%- for node in graph.nodes.values() if node.resource_type == 'model' and node.fqn[1] == 'marts' %}
            ({{ _text(node.unique_id) }}, 'never built', '{{ invocation_id }}', now(), null)
            {{- "," if not loop.last }}
        {%- endfor %};
        -- A model or test that left the project must not hold back, or vouch for, a publication.
        delete from audit.node_results
        where unique_id not in (
            {%- for node in graph.nodes.values() %}
                {{ _text(node.unique_id) }}{{ "," if not loop.last }}
            {%- endfor %}
        );
        update audit.invocations set finished_at = now() where invocation_id = '{{ invocation_id }}';
    {%- endif %}
{%- endmacro %}
