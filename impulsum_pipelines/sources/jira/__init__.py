"""Jira Cloud: issues with their complete history, comments, links, worklogs, sprints, boards and reference tables.

The account's API token (``JIRA_EMAIL``, ``JIRA_API_TOKEN``) reads ``JIRA_BASE_URL``. Rows land in
``raw/jira.duckdb``; :mod:`tables` says what they are. ``impulsum sync jira`` runs it alone.
"""
