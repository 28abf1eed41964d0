"""Notion as the sandbox plays it: pages, databases, data sources, blocks, comments, people, limits and traps."""
