{{ staged_census('jira') }}
