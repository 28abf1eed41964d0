"""A stand-in of Tempo Timesheets for the sandbox's Jira site: hours, plans, accounts and teams, by REST API v4."""
