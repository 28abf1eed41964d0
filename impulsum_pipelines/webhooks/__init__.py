"""Webhooks: what tools say by themselves, taken in as drop files (``docs/drop-files.md``), read, and judged."""
