"""The part of Tempo's REST interface v4 that a pull uses, with its traps. Vendor page: https://apidocs.tempo.io

- ``updatedFrom`` has a precision of seconds, and must not be combined with another filter of worklogs;
- lists are paged by offset while they change; ``metadata.count`` counts the page, and there is no total;
- a page may be smaller than the limit asked for; only ``metadata.next`` says whether there is more;
- plans must be asked for by days, and their total depends on those days;
- the audit log reaches back 180 days, and is paged by token.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.faults import Fault
from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sandbox.tempo.records import Worklog
from impulsum_pipelines.sandbox.tempo.world import TempoWorld

ROOT = "/tempo/4"
_SECONDS = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\dZ?)?")
_AUDIT_PAGE = 1_000

Documents = list[dict[str, Any]]


class TempoRefusal(Refusal):
    """A request that Tempo does not answer as asked."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, {"errors": [{"message": message}]})


def routes(world: TempoWorld) -> list[Route]:
    """The routes of the interface."""

    def route(path: str, handler: Callable[[TempoWorld, Request, Any], bytes], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            try:
                body = orjson.loads(await request.body() or b"{}") if method == "POST" else None
                return Response(handler(world, request, body), media_type="application/json")
            except TempoRefusal as refusal:
                return refusal.response

        return Route(f"{ROOT}{path}", endpoint, methods=[method])

    return [
        route("/worklogs", worklogs),
        route("/plans", plans),
        route("/accounts", accounts),
        route("/teams", teams),
        route("/team-memberships/search", memberships, "POST"),
        route("/workload-schemes", workload_schemes),
        route("/workload-schemes/members/search", scheme_members, "POST"),
        route("/papertrail/search", audit_log, "POST"),
    ]


def worklogs(world: TempoWorld, request: Request, _: object) -> bytes:
    """``GET /worklogs``: filtered by system time or by work date, not by both."""
    if "worklogs" in world.denied:
        raise TempoRefusal(404, "Authenticated user is missing permission to fulfill the request")
    asked = request.query_params
    seen = world.seen_worklogs()
    others = asked.keys() & {"from", "to", "projectId", "issueId"}
    if since := asked.get("updatedFrom"):
        if others:
            raise TempoRefusal(400, f"'updatedFrom' must not be combined with {', '.join(sorted(others))}")
        bound = _since(since)
        seen = [w for w in seen if w.updated >= bound]
    if "from" in asked:
        first, last = _day(asked["from"]), _day(asked.get("to", asked["from"]))
        seen = [w for w in seen if first <= w.start_date <= last]
    base = _base(request)
    return _page(world, request, [w.document(base) for w in sorted(seen, key=_order(asked.get("orderBy")))])


def _order(by: str | None) -> Callable[[Worklog], Any]:
    """The sort key: ascending by start, unless ``orderBy`` is given, which sorts descending."""
    if by == "UPDATED":
        return lambda w: (-w.updated, -w.id)
    if by == "ID":
        return lambda w: -w.id
    return lambda w: (w.start_date, w.start_time, w.id)


def plans(world: TempoWorld, request: Request, _: object) -> bytes:
    """``GET /plans``: plans that overlap a span of days."""
    if "plans" in world.denied:
        raise TempoRefusal(403, "The user may not view plans")
    asked = request.query_params
    if "from" not in asked or "to" not in asked:
        raise TempoRefusal(400, "'from' and 'to' are required")
    first, last = _day(asked["from"]), _day(asked["to"])
    bound = _since(asked["updatedFrom"]) if "updatedFrom" in asked else 0
    found = [p for p in world.plans.values() if p.start <= last and p.end >= first and p.updated >= bound]
    base = _base(request)
    return _page(world, request, [p.document(base, first, last) for p in sorted(found, key=lambda p: p.id)])


def accounts(world: TempoWorld, request: Request, _: object) -> bytes:
    """``GET /accounts``: OPEN and CLOSED accounts."""
    if "accounts" in world.denied:
        raise TempoRefusal(403, "The user may not view accounts")
    base = _base(request)
    shown = [a.document(base) for a in world.accounts.values() if a.status != "ARCHIVED"]
    return _page(world, request, shown)


def teams(world: TempoWorld, request: Request, _: object) -> bytes:
    """``GET /teams``: the teams that the user may see."""
    if "teams" in world.denied:
        raise TempoRefusal(403, "The user may not view teams")
    base = _base(request)
    return _page(world, request, [team.document(base) for team in world.seen_teams()])


def memberships(world: TempoWorld, request: Request, body: Any) -> bytes:
    """``POST /team-memberships/search``: memberships of the named teams that the user may see, former ones too."""
    wanted = {int(number) for number in body.get("teamIds") or [team.id for team in world.seen_teams()]}
    seen = wanted & {team.id for team in world.seen_teams()}
    base = _base(request)
    return _page(world, request, [m.document(base) for m in world.memberships.values() if m.team.id in seen])


def workload_schemes(world: TempoWorld, request: Request, _: object) -> bytes:
    """``GET /workload-schemes``: every workload scheme."""
    if "schemes" in world.denied:
        raise TempoRefusal(403, "The user may not view workload schemes")
    base = _base(request)
    return _page(world, request, [scheme.document(base) for scheme in world.workload_schemes.values()])


def scheme_members(world: TempoWorld, request: Request, body: Any) -> bytes:
    """``POST /workload-schemes/members/search``: a flat list, paged by the body, without a link to the next page."""
    if "schemes" in world.denied:
        raise TempoRefusal(403, "The user may not view workload schemes")
    if not body.get("schemeIds"):
        raise TempoRefusal(400, "'schemeIds' is required")
    base = f"{_base(request)}/users"
    found = [
        {"schemeId": number, "member": {"self": f"{base}/{member}", "accountId": member}}
        for number in body["schemeIds"]
        if number in world.workload_schemes
        for member in world.workload_schemes[number].members
    ]
    offset, limit = int(body.get("offset", 0)), _limit(world, int(body.get("limit", 50)), 5_000)
    page = found[offset : offset + limit]
    return orjson.dumps({"metadata": {"count": len(page), "offset": offset, "limit": limit}, "results": page})


def audit_log(world: TempoWorld, request: Request, body: Any) -> bytes:
    """``POST /papertrail/search``: the audit log, oldest first."""
    if "audit" in world.denied or world.restricted:
        raise TempoRefusal(403, "The user may not view the audit log")
    if "from" not in body:
        raise TempoRefusal(400, "'from' is required")
    first = _instant(body["from"])
    if first < world.audit_begins():
        raise TempoRefusal(400, "'from' must be within the last 180 days")
    last = _instant(body["to"]) if body.get("to") else world.clock.now()
    found = [
        event.document
        for event in world.audit
        if first <= event.at <= last
        and event.entity_type in (body.get("entityType") or [event.entity_type])
        and event.action in (body.get("action") or [event.action])
    ]
    asked = request.query_params
    limit = _limit(world, int(asked.get("limit", 100)), _AUDIT_PAGE)
    offset = _token(asked.get("nextPageToken"))
    page, following = found[offset : offset + limit], f"after-{offset + limit}"
    more = len(found) > offset + limit
    page, more, following = _audit_fault(request, page, more, following, offset)
    metadata: dict[str, Any] = {"limit": limit}
    if more:
        metadata["nextPageToken"] = following
        link = urlencode({"limit": limit, "nextPageToken": following})
        metadata["nextPageUrl"] = f"{_base(request)}/papertrail/search?{link}"
    return orjson.dumps({"self": str(request.url), "metadata": metadata, "results": page})


def _audit_fault(
    request: Request, page: Documents, more: bool, following: str, offset: int
) -> tuple[Documents, bool, str]:
    fault: Fault | None = request.scope.get("sandbox.fault")
    if fault and fault.kind == "repeat_token":
        return page, True, str(fault.memory.setdefault("token", following))
    if fault and fault.kind == "empty_page":
        return [], True, f"after-{offset}"
    return page, more and not (fault and fault.kind == "end_early"), following


def _page(world: TempoWorld, request: Request, found: Documents) -> bytes:
    asked = request.query_params
    try:
        offset, wanted = int(asked.get("offset", 0)), int(asked.get("limit", 50))
    except ValueError:
        raise TempoRefusal(400, "'offset' and 'limit' must be numbers") from None
    limit = _limit(world, wanted, 5_000)
    page, more, following = found[offset : offset + limit], len(found) > offset + limit, offset + limit
    fault: Fault | None = request.scope.get("sandbox.fault")
    if fault and fault.kind == "empty_page":
        page, more, following = [], True, offset
    elif fault and fault.kind == "repeat_token":
        more, following = True, fault.memory.setdefault("offset", following)
    elif fault and fault.kind == "end_early":
        more = False
    metadata: dict[str, Any] = {"count": len(page), "offset": offset, "limit": limit}
    others = {name: value for name, value in asked.multi_items() if name not in {"offset", "limit"}}
    here = f"{_base(request)}{request.url.path.removeprefix(ROOT)}"
    if more:
        metadata["next"] = f"{here}?{urlencode({**others, 'offset': following, 'limit': limit})}"
    if offset:
        back = {**others, "offset": max(offset - limit, 0), "limit": limit}
        metadata["previous"] = f"{here}?{urlencode(back)}"
    return orjson.dumps({"self": str(request.url), "metadata": metadata, "results": page})


def _limit(world: TempoWorld, wanted: int, most: int) -> int:
    if wanted < 1:
        raise TempoRefusal(400, "'limit' must be greater than 0")
    return min(wanted, most, world.page_limit)


def _base(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}{ROOT}"


def _since(value: str) -> int:
    if not _SECONDS.fullmatch(value):
        raise TempoRefusal(400, "'updatedFrom' must be valid on the format: 'yyyy-MM-dd['T'HH:mm:ss]['Z']'")
    return _instant(value)


def _instant(value: Any) -> int:
    try:
        parsed = datetime.fromisoformat(str(value))
    except ValueError:
        raise TempoRefusal(400, f"'{value}' is not a date time in ISO 8601") from None
    return to_ms(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))


def _day(value: str) -> date:
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise TempoRefusal(400, "'date' must be valid on the format: 'yyyy-MM-dd'") from None


def _token(value: str | None) -> int:
    match: Sequence[str] = re.findall(r"^after-(\d+)$", value or "")
    if value and not match:
        raise TempoRefusal(400, "'nextPageToken' is not valid")
    return int(match[0]) if match else 0
