"""Fireflies over HTTP: ``POST /fireflies/graphql`` with a Bearer key. As with the vendor, errors have status 200.

The query is parsed and executed with the vendor's schema: an answer has the fields asked for, and no others.
Vendor pages: https://docs.fireflies.ai/graphql-api/query/transcripts,
https://docs.fireflies.ai/miscellaneous/error-codes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.clock import to_datetime, to_ms
from impulsum_pipelines.sandbox.faults import Fault
from impulsum_pipelines.sandbox.fireflies import history
from impulsum_pipelines.sandbox.fireflies.control import FirefliesControl
from impulsum_pipelines.sandbox.fireflies.limits import FirefliesLimits
from impulsum_pipelines.sandbox.fireflies.meetings import Document, Meeting, Meetings
from impulsum_pipelines.sandbox.fireflies.schema import SDL
from impulsum_pipelines.sandbox.team import Team

KEY = "fireflies-sandbox-key"
MOST, FURTHEST = 50, 5_000


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {"FIREFLIES_API_URL": f"{url}/fireflies/graphql", "FIREFLIES_API_KEY": KEY}


def build_service(team: Team) -> Fireflies:
    """The service with the team's meetings in it."""
    return Fireflies(team)


class Fireflies:
    """The service: checks the key and the limits, and executes queries."""

    def __init__(self, team: Team) -> None:
        self.meetings = history.build_world(team)
        self.limits = FirefliesLimits()
        self.control = FirefliesControl(self.meetings, self.limits)
        self.schema = build_schema(SDL)
        self.app = Starlette(routes=[Route("/fireflies/graphql", self._answer, methods=["POST"])])

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {KEY}" or self.control.revoked:
            return _json({"errors": [_error("auth_failed", "Invalid API key", 401)]})
        if wait := self.limits.wait():
            return _json({"errors": [self._too_many(wait)]})
        asked = orjson.loads(await request.body())
        query = FirefliesQuery(self.meetings, self.control, request.scope.get("sandbox.fault"))
        result = graphql_sync(self.schema, asked["query"], query.root(), variable_values=asked.get("variables") or {})
        return _json(_formatted(result))

    def _too_many(self, wait: float) -> Document:
        """The error for too many requests. The docs do not say how retryAfter is written: the control door chooses."""
        until = to_datetime(round((time.time() + wait) * 1000))
        written: dict[str, Any] = {
            "epoch_ms": to_ms(until),
            "iso": until.isoformat().replace("+00:00", "Z"),
            "seconds": round(wait, 1),
            "none": None,
        }
        message = f"Too many requests. Please retry after {until:%H:%M:%S} (UTC)"
        metadata = {"retryAfter": written[self.control.retry_after]}
        return _error("too_many_requests", message, 429, {} if metadata["retryAfter"] is None else metadata)


class FirefliesQuery:
    """The queries of the schema, for one request."""

    def __init__(self, meetings: Meetings, control: FirefliesControl, fault: Fault | None) -> None:
        self.meetings = meetings
        self.control = control
        self.fault = fault

    def root(self) -> dict[str, Callable[..., Any]]:
        """The resolvers of the fields of the type Query."""
        return {"transcripts": self.transcripts, "transcript": self.transcript, "users": self.users, "user": self.user}

    def transcripts(self, _info: object, **given: Any) -> list[Document]:
        """A page of the meetings that match, newest first."""
        limit, skip = given.get("limit", MOST), given.get("skip", 0)
        if not 0 < limit <= MOST:
            raise _invalid("limit", f"limit must not be greater than {MOST}")
        if not 0 <= skip <= FURTHEST:
            raise _invalid("skip", f"skip must not be greater than {FURTHEST}")
        if skip:
            self.control._between_pages()
        kind = self.fault.kind if self.fault else ""
        found = list(self._matching(given))
        page = found[:limit] if kind == "repeat_token" else found[skip : skip + limit]
        if kind in ("end_early", "empty_page"):
            page = page[: len(page) // 2] if kind == "end_early" else []
        return [self._document(meeting) for meeting in page]

    def transcript(self, _info: object, id: str) -> Document:
        """One meeting. A meeting that the key does not see gives the same error as one that does not exist."""
        meeting = self.meetings.all.get(id)
        if meeting is None or meeting.hidden:
            raise GraphQLError(
                "Transcript not found", extensions=_extensions("object_not_found", 404, {"objectType": "Transcript"})
            )
        return self._document(meeting)

    def users(self, _info: object) -> list[Document]:
        """The members of the team."""
        if not self.control.admin:
            raise GraphQLError("You need to be an admin", extensions=_extensions("require_elevated_privilege", 403, {}))
        return [self.meetings.user(person) for person in self.meetings.team.people]

    def user(self, _info: object, id: str | None = None) -> Document:
        """The owner of the key, or a member of the team."""
        for person in self.meetings.team.people:
            user = self.meetings.user(person)
            if user["user_id"] == id or (id is None and person is self.meetings.owner):
                return user | {"is_admin": user["is_admin"] and self.control.admin}
        raise GraphQLError("User not found", extensions=_extensions("object_not_found", 404, {"objectType": "User"}))

    def _document(self, meeting: Meeting) -> Document:
        document = self.meetings.document(meeting)
        document["sentences"] = partial(self._sentences, meeting)
        for name, value in document.items():
            document[name] = partial(self._resolved, meeting, name, value)
        return document

    def _resolved(self, meeting: Meeting, name: str, value: Any, info: object) -> Any:
        """The value of a field that was asked for, or the error that was ordered for it."""
        if self.control._breaks(meeting.id, name):
            raise GraphQLError("Something went wrong", extensions=_extensions("internal_server_error", 500, {}))
        return value(info) if callable(value) else value

    def _sentences(self, meeting: Meeting, _info: object) -> list[Document]:
        self.control._reads[meeting.id] += 1
        return list(meeting.sentences())

    def _matching(self, given: dict[str, Any]) -> Iterator[Meeting]:
        since, until = _ms(given.get("fromDate"), "fromDate"), _ms(given.get("toDate"), "toDate")
        edge = 1 if self.control.exclusive_dates else 0
        mine = self.meetings.owner.email if given.get("mine") else None
        word = (given.get("keyword") or given.get("title") or "").lower()
        organizers = given.get("organizers") or [e for e in (mine, given.get("organizer_email")) if e]
        present = given.get("participants") or [e for e in (given.get("participant_email"),) if e]
        for meeting in self.meetings.visible():
            emails = {person.email for person in meeting.people}
            if (
                (since is None or meeting.date >= since + edge)
                and (until is None or meeting.date <= until - edge)
                and word in meeting.title.lower()
                and (not organizers or meeting.organizer.email in organizers)
                and (not present or emails & set(present))
            ):
                yield meeting


def _ms(value: object, name: str) -> int | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _invalid(name, f"{name} must be a Date instance") from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _invalid(name: str, message: str) -> GraphQLError:
    fields = {"fields": [{"name": name, "message": message}]}
    return GraphQLError("Invalid argument(s) were provided", extensions=_extensions("invalid_arguments", 400, fields))


def _extensions(code: str, status: int, metadata: Document) -> Document:
    help_url = f"https://docs.fireflies.ai/miscellaneous/error-codes#{code}"
    return {"code": code, "status": status, "helpUrls": [help_url], "metadata": metadata}


def _error(code: str, message: str, status: int, metadata: Document | None = None) -> Document:
    extensions = _extensions(code, status, metadata or {})
    return {"message": message, "friendly": True, "code": code, "extensions": extensions}


def _formatted(result: ExecutionResult) -> Document:
    answer: Document = {} if result.data is None else {"data": result.data}
    if result.errors:
        answer["errors"] = []
        for error in result.errors:
            extensions = error.extensions or _extensions("GRAPHQL_VALIDATION_FAILED", 400, {})
            shown = {**error.formatted, "friendly": False, "code": extensions["code"], "extensions": extensions}
            answer["errors"].append(shown)
    return answer


def _json(body: object) -> Response:
    return Response(orjson.dumps(body), media_type="application/json")
