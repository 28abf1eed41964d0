{{ staged_syncs('jira') }}
