"""The ops store: webhook events, incidents, alerts and their notifications, and the history of syncs."""
