"""A Slack workspace over HTTP: the Web API methods that the pull needs, with their paging, limits and errors."""
