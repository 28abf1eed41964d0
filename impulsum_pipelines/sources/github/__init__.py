"""GitHub: repositories, pull requests with their reviews and commits, comments, issues, releases, deployments, runs.

The token (``GITHUB_TOKEN``) reads ``GITHUB_REPOSITORIES`` over REST. Rows land in ``raw/github.duckdb``;
:mod:`tables` says what they are. ``impulsum sync github`` runs it alone.
"""
