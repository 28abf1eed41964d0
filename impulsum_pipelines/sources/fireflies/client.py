"""Fireflies' GraphQL queries as we use them: one method each.

Vendor pages: https://docs.fireflies.ai/graphql-api/query/transcripts and, for the limits,
https://docs.fireflies.ai/fundamentals/limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from pyrate_limiter import Duration, Rate

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.http import Api, BearerAuth
from impulsum_pipelines.sources.base.limits import LONGEST_WAIT, Budget
from impulsum_pipelines.sources.fireflies.queries import (
    LIGHT_FIELDS,
    WHOLE_FIELDS,
    Document,
    Selection,
    to_graphql,
)
from impulsum_pipelines.sources.fireflies.refusals import NOT_FOUND, code_of, errors_of, no_data, to_error
from impulsum_pipelines.sources.registry import off_error

#: Meetings per page of the list: the vendor's maximum.
PAGE = 50
#: The largest ``skip`` of a list; the vendor documents it for bites only.
MOST_SKIP = 5_000
#: Whole meetings per request. An hour of talk is some 250 KB.
WHOLE_BATCH = 5
#: Light meetings per request, when they are asked for by id.
LIGHT_BATCH = 25
#: Requests per minute that the more expensive plans allow; the others are limited by FIREFLIES_REQUESTS_A_DAY.
PER_MINUTE = 60

_USER = "user_id email name is_admin num_transcripts"


@dataclass
class FetchedMeetings:
    """What one request returned.

    Args:
        documents: the meetings, in the order of the answer.
        missing: ids that do not exist, or are not shared with the owner of this key.
        damaged: ids of meetings for which a part of the answer failed, with the reason.
    """

    documents: list[Document] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)


class FirefliesClient:
    """One Fireflies account, read with its API key."""

    def __init__(self, settings: Settings) -> None:
        if not settings.fireflies.api_key:
            raise off_error("fireflies", settings)
        url = settings.fireflies.api_url.rstrip("/")
        base, _, self._path = url.rpartition("/")
        rates = _rates(settings.fireflies.requests_a_day)
        # With the path: a sandbox serves all services on one host, each with its own limits.
        place = urlsplit(url)
        self._budget = Budget(Home.of(settings).limits, f"{place.netloc}{place.path}", lambda kind: rates)
        self.api = Api(
            "Fireflies",
            base,
            auth=BearerAuth(settings.fireflies.api_key.get_secret_value()),
            budget=self._budget,
            to_error=to_error,
        )

    def account(self) -> Document:
        """The owner of the key.

        Raises:
            ImpulsumError: of category permission when Fireflies does not say who that is.
        """
        user: Document | None = self._ask(f"query {{ user {{ {_USER} }} }}", {}, "user")["data"].get("user")
        if user is None:
            raise ImpulsumError(
                Category.PERMISSION,
                "Fireflies does not say who owns the API key",
                where="Fireflies user",
                next_step="make a new API key and set FIREFLIES_API_KEY.",
            )
        return user

    def team(self) -> list[Document]:
        """The members of the team, with the number of meetings of each; only administrators may ask."""
        users: list[Document] | None = self._ask(f"query {{ users {{ {_USER} }} }}", {}, "users")["data"].get("users")
        return users or []

    def list_page(self, since: datetime, until: datetime, skip: int) -> FetchedMeetings:
        """One page of the meetings that began in a span, newest first, as light documents.

        Raises:
            ImpulsumError: of category bad data when the answer has no list, or a meeting without an id.
        """
        query = f"""query($since: DateTime, $until: DateTime, $limit: Int, $skip: Int) {{
            transcripts(fromDate: $since, toDate: $until, limit: $limit, skip: $skip) {{ {to_graphql(LIGHT_FIELDS)} }}
        }}"""
        variables = {"since": _iso(since), "until": _iso(until), "limit": PAGE, "skip": skip}
        body = self._ask(query, variables, "transcripts")
        found: list[Document] | None = body["data"].get("transcripts")
        if found is None:  # no list is not an empty list
            raise no_data()
        if any(document.get("id") is None for document in found):
            raise ImpulsumError(
                Category.BAD_DATA,
                "Fireflies listed a meeting without its id",
                where="Fireflies transcripts",
                next_step="nothing: the next pull lists it again.",
            )
        read = FetchedMeetings(found)
        for error in errors_of(body):
            path = error.get("path") or []
            if len(path) > 1 and isinstance(path[1], int) and path[1] < len(found):
                read.damaged[str(found[path[1]]["id"])] = str(error.get("message"))
        return read

    def whole_meetings(self, ids: Sequence[str]) -> FetchedMeetings:
        """Meetings by id, as whole documents; at most :data:`WHOLE_BATCH`."""
        return self._by_id(ids, WHOLE_FIELDS)

    def light_meetings(self, ids: Sequence[str]) -> FetchedMeetings:
        """Meetings by id, as light documents."""
        read = FetchedMeetings()
        for start in range(0, len(ids), LIGHT_BATCH):
            batch = self._by_id(ids[start : start + LIGHT_BATCH], LIGHT_FIELDS)
            read.documents += batch.documents
            read.missing += batch.missing
            read.damaged |= batch.damaged
        return read

    def _by_id(self, ids: Sequence[str], selection: Selection) -> FetchedMeetings:
        """Several meetings in one request, each under its own alias."""
        declared = ", ".join(f"$i{n}: String!" for n in range(len(ids)))
        fields = " ".join(f"t{n}: transcript(id: $i{n}) {{ ...Meeting }}" for n in range(len(ids)))
        query = f"query({declared}) {{ {fields} }} fragment Meeting on Transcript {{ {to_graphql(selection)} }}"
        body = self._ask(query, {f"i{n}": row_id for n, row_id in enumerate(ids)}, "transcript")
        read = FetchedMeetings()
        failed: dict[str, dict[str, Any]] = {}
        for problem in errors_of(body):
            failed.setdefault(str((problem.get("path") or [""])[0]), problem)
        for n, row_id in enumerate(ids):
            document: Document | None = body["data"].get(f"t{n}")
            error = failed.get(f"t{n}")
            if document is not None:
                read.documents.append(document)
            if error is not None and document is None and code_of(error) == NOT_FOUND:
                read.missing.append(row_id)
            elif error is not None or document is None:
                read.damaged[row_id] = str(error.get("message")) if error else "no answer"
        return read

    def _ask(self, query: str, variables: Document, endpoint: str) -> Document:
        try:
            body: Document = self.api.post(
                f"/{self._path}", {"query": query, "variables": variables}, kind="query", endpoint=endpoint
            )
        except ImpulsumError as error:
            if error.category is Category.RATE_LIMIT and (error.retry_after or 0) > LONGEST_WAIT:
                self._budget.pause(error.retry_after or 0)  # so that no later pull spends a request on the same refusal
            raise
        return body


def _rates(per_day: int) -> list[Rate]:
    """The limits that can be reached, per minute and per day.

    The limit per minute cannot when a day allows no more than that, nor the limit per day when its minutes allow less.
    """
    minute, day = Rate(PER_MINUTE, Duration.MINUTE), Rate(per_day, Duration.DAY)
    if per_day <= PER_MINUTE:
        return [day]
    return [minute, day] if per_day < PER_MINUTE * 24 * 60 else [minute]


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
