{#- True for the login of an app: its name says so, or it opened a pull request as one. -#}
{% macro is_github_app(login) -%}
    coalesce(
        {{ login }} like '%[bot]'
        or {{ login }} in (select author from {{ ref('stg_github__pull_requests') }} where is_bot and author is not null),
        false
    )
{%- endmacro %}
