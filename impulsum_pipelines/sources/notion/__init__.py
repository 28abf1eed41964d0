"""Notion: the pages that are shared with an integration, with their blocks and comments, data sources and users.

The token of an internal integration (``NOTION_TOKEN``) reads ``NOTION_API_URL``, with version 2026-03-11 of the API.
Rows land in ``raw/notion.duckdb``; :mod:`tables` says what they are. ``impulsum sync notion`` pulls this source only.
"""
