"""Alerts: what is wrong, who was told, who is at it, and when it was over. Others raise them; people are told here."""
