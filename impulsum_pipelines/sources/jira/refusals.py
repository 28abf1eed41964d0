"""Jira's refusals as errors with a category and a next step.

Jira's statuses mean what HTTP says, so :mod:`impulsum_pipelines.sources.base.http` turns them into errors; except one.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import requests

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sources.base.http import RefusedError, reason_in

#: Jira's statuses for the sprints of a board that has none: of a Kanban board, of a team-managed board that turned
#: sprints off, and of a Scrum board without a mapped column.
_HAS_NO_SPRINTS = (400, 422)
_BOARD_SPRINTS = re.compile(r"/rest/agile/1\.0/board/[^/]+/sprint$")


class NoSprintsError(RefusedError):
    """The board has no sprints: an answer, not a failure."""


def to_error(response: requests.Response, body: Any) -> ImpulsumError | None:
    """The answer as an error; None where its status alone says enough."""
    url = urlsplit(str(response.url))
    if response.status_code in _HAS_NO_SPRINTS and _BOARD_SPRINTS.search(url.path):
        what = f"{url.netloc} answered {response.status_code}{reason_in(body)}"
        return NoSprintsError(response.status_code, what, where="")
    return None
