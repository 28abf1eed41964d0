"""Priorities of alerts, and of the events that raise them."""

from __future__ import annotations

#: The most urgent first: P0 now, P1 today, P2 soon, P3 for the record.
PRIORITIES = ("P0", "P1", "P2", "P3")
