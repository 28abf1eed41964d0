"""Fireflies: meetings with what was said, who was there and what was promised.

The API key (``FIREFLIES_API_KEY``) reads what its owner sees, or the team's meetings if an administrator made it.
Rows land in ``raw/fireflies.duckdb``; :mod:`tables` says what they are. ``impulsum sync fireflies`` runs it alone.

Fireflies says neither when a meeting changed nor that it is gone. So a pull lists the meetings of the last weeks
(light documents, 50 a request), compares each with what is held, and reads whole only what is new or looks different.
A quiet pull of a team with fewer than 50 meetings in three weeks costs two requests.
"""
