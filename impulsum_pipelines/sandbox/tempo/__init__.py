"""Tempo Timesheets on the sandbox's Jira site: hours, plans, accounts and teams, over its REST interface v4."""
