"""Slack: channels, their members, people, and every message with its thread.

The bot token of an internal app (``SLACK_BOT_TOKEN``) reads ``SLACK_API_URL``. Rows land in ``raw/slack.duckdb``;
:mod:`tables` says what they are. Only conversations that the bot is a member of can be read. ``impulsum sync slack``
runs it alone.

What a live pull sees, and when:

- new messages, and edits, reactions, deletions and late replies to the newest :data:`client.PAGE` messages of a
  channel that are younger than ``SLACK_THREAD_DAYS``: at each pull;
- the same for the rest of these days, and edits within threads that were answered in the last two days: within
  ``IMPULSUM_REFERENCE_MINUTES``;
- anything older: at the next census.

A pull in which nothing happened costs two requests, and one more for each conversation that is not archived.
"""
