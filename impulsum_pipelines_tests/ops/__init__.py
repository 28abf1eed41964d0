"""The ops store."""
