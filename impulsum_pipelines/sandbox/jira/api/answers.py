"""The parts of an answer: issues joined from stored bytes, page tokens, errors, times in the user's zone."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from starlette.requests import Request
from starlette.responses import Response

from impulsum_pipelines.sandbox.jira.site import API, SPRINT_FIELD, Document
from impulsum_pipelines.sandbox.jira.store import StoredIssue
from impulsum_pipelines.sandbox.jira.world import JiraWorld
from impulsum_pipelines.sandbox.refusal import Refusal

INLINE_HISTORIES = 40
_PLATFORM_TIME = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{3})\+0000")


class JiraRefusal(Refusal):
    """An answer that is not 200, with its messages."""

    def __init__(self, status: int, *messages: str) -> None:
        super().__init__(status, {"errorMessages": list(messages), "errors": {}})


def answer(world: JiraWorld, body: Document | list[Any] | bytes) -> Response:
    """A 200 with the body's times in the token user's zone, as Jira writes them."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(in_zone(raw, world.account.time_zone), media_type="application/json")


def in_zone(body: bytes, zone_name: str) -> bytes:
    """The body with its times, which are in UTC, in a zone: ``10:11:12.345+0000`` becomes ``05:11:12.345-0500``."""
    if zone_name in ("UTC", "Etc/UTC", "GMT"):
        return body
    zone = ZoneInfo(zone_name)

    def local(match: re.Match[bytes]) -> bytes:
        moment = datetime.fromisoformat(match[1].decode() + "+00:00").astimezone(zone)
        return f"{moment:%Y-%m-%dT%H:%M:%S}{match[2].decode()}{moment:%z}".encode()

    return _PLATFORM_TIME.sub(local, body)


def page_token(**position: Any) -> str:
    """An opaque token for the next page, which contains this position."""
    return base64.urlsafe_b64encode(orjson.dumps(position)).decode().rstrip("=")


def read_token(token: str) -> Document:
    """The position that :func:`page_token` put into a token.

    Raises:
        JiraRefusal: 400, the token is not valid.
    """
    try:
        position = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError:
        raise JiraRefusal(400, "The nextPageToken is not valid.") from None
    if not isinstance(position, dict):
        raise JiraRefusal(400, "The nextPageToken is not valid.")
    return position


async def json_body(request: Request) -> Document:
    """The JSON object that was sent.

    Raises:
        JiraRefusal: 400, the body is not a JSON object.
    """
    try:
        body = orjson.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise JiraRefusal(400, "Invalid request payload. Refer to the REST API documentation and try again.")
    return body


def number(request: Request, name: str, default: int, most: int | None = None) -> int:
    """An integer of the query string, limited to ``most`` as Jira does.

    Raises:
        JiraRefusal: 400, the value is not a number.
    """
    text = request.query_params.get(name, str(default))
    if not text.lstrip("-").isdigit():
        raise JiraRefusal(400, f"The value '{text}' of the parameter {name} is not a number.")
    return int(text) if most is None else max(0, min(int(text), most))


def numbered_page(values: Sequence[Any], request: Request, *, most: int, default: int | None = None) -> Document:
    """One page of a list that is paged by ``startAt``; it has at most ``most`` values."""
    start = max(0, number(request, "startAt", 0))
    size = number(request, "maxResults", default or most, most)
    shown = list(values[start : start + size])
    return {
        "maxResults": size,
        "startAt": start,
        "total": len(values),
        "isLast": start + len(shown) >= len(values),
        "values": shown,
    }


def issue_bytes(
    world: JiraWorld, issues: Sequence[StoredIssue], fields: Sequence[str], *, with_changelog: bool, expand: str = ""
) -> bytes:
    """The JSON array of issues with the fields asked for (``*all``, ``*navigable``, names, ``-name``)."""
    changelogs = {}
    if with_changelog and issues:
        changelogs = world.store.newest_histories([i.id for i in issues], INLINE_HISTORIES)
    parts = []
    for issue in issues:
        head = (f'{{"expand":"{expand}","id":"{issue.id}","self":"{API}/issue/{issue.id}","key":"{issue.key}"').encode()
        shown = _fields(world, issue, fields)
        part = head + (b',"fields":' + shown if shown else b"")
        if with_changelog:
            total, histories = changelogs[issue.id]
            part += (
                f',"changelog":{{"startAt":0,"maxResults":{len(histories)},"total":{total},"histories":['.encode()
                + b",".join(histories)
                + b"]}"
            )
        parts.append(part + b"}")
    return b"[" + b",".join(parts) + b"]"


def _fields(world: JiraWorld, issue: StoredIssue, names: Sequence[str]) -> bytes:
    wanted = {name for name in names if not name.startswith("-")}
    unwanted = {name[1:] for name in names if name.startswith("-")} | world.site.removed_fields
    everything = bool(wanted & {"*all", "*navigable"}) or (bool(unwanted) and not wanted)
    if everything and not unwanted:
        return issue.fields[:-1] + b',"' + SPRINT_FIELD.encode() + b'":' + _sprints(world, issue) + b"}"
    wanted -= {"id", "key"}
    if not everything and not wanted:
        return b""
    values = orjson.loads(issue.fields)
    shown = {k: v for k, v in values.items() if (everything or k in wanted) and k not in unwanted}
    if (everything or SPRINT_FIELD in wanted) and SPRINT_FIELD not in unwanted:
        shown[SPRINT_FIELD] = orjson.Fragment(_sprints(world, issue))
    return orjson.dumps(shown)


def _sprints(world: JiraWorld, issue: StoredIssue) -> bytes:
    if not issue.sprint_ids:
        return b"null"
    sprints = world.site.sprints
    return b"[" + b",".join(sprints[i].field_bytes for i in issue.sprint_ids if i in sprints) + b"]"
