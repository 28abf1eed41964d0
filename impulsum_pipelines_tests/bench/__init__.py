"""How fast a sync is, beside the least that any client must do."""
