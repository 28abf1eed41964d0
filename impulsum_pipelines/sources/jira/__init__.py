"""Jira Cloud: issues with their complete history, sprints and boards, worklogs, comments, links."""
