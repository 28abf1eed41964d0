"""The sandbox itself: it must be as Jira is, or nothing that is tried against it means anything."""
