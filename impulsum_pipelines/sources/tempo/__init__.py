"""Tempo Timesheets for Jira Cloud: logged hours, planned time, accounts, teams and who is in them.

The token (``TEMPO_API_TOKEN``) is a user's who may view all worklogs; it reads ``TEMPO_API_URL``. Rows land in
``raw/tempo.duckdb``; :mod:`tables` says what they are. ``impulsum sync tempo`` runs it alone.
"""
