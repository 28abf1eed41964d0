"""A stand-in of a Jira Cloud site: its data, its query language (JQL) and its REST interface."""
