"""Webhooks: what came in, what it says, and how urgent it is."""
