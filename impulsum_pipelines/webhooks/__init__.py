"""Webhooks: events that tools send us, received as drop files (``docs/drop-files.md``), parsed and classified."""
