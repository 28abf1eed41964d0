"""A stand-in of Notion: pages, databases, data sources, blocks, comments and people, with its limits and traps."""
