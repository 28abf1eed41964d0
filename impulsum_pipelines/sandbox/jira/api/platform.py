"""Jira's platform interface, ``/rest/api/3``: search, issues, changelogs, comments, worklogs, reference data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from itertools import islice
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.faults import Fault
from impulsum_pipelines.sandbox.jira.api.answers import (
    JiraRefusal,
    answer,
    issue_bytes,
    json_body,
    number,
    numbered_page,
    page_token,
    read_token,
)
from impulsum_pipelines.sandbox.jira.api.jql import CompiledJql, JqlError, compile_jql
from impulsum_pipelines.sandbox.jira.site import Document, Project, platform_time
from impulsum_pipelines.sandbox.jira.world import JiraWorld

Handler = Callable[[JiraWorld, Request], Awaitable[Response]]

ID_PAGE = 5000
RICH_PAGE = 100
_GONE = (
    "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API. A full migration guideline "
    "is available at https://developer.atlassian.com/changelog/#CHANGE-2046"
)


def _names(value: object) -> list[str]:
    """Field names, from a list or from a comma-separated text."""
    listed = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return [str(name).strip() for part in listed for name in str(part).split(",") if name.strip()]


def _compiled(world: JiraWorld, jql: object) -> CompiledJql:
    world.store.reveal(world.clock.now())
    try:
        return compile_jql(str(jql or ""), world.site, world.store)
    except JqlError as error:
        raise JiraRefusal(400, error.message) from None


# -- search


async def search(world: JiraWorld, request: Request) -> Response:
    """``search/jql``: paged by token, without a total; a page of ids alone is much longer than one with fields."""
    asked = await json_body(request) if request.method == "POST" else dict(request.query_params)
    fields = _names(asked.get("fields")) or ["id"]
    expand = ",".join(_names(asked.get("expand")))
    query = _compiled(world, asked.get("jql"))
    most = ID_PAGE if set(fields) <= {"id", "key"} and not expand else RICH_PAGE
    try:
        size = max(1, min(int(asked.get("maxResults") or 50), most))
    except (TypeError, ValueError):
        raise JiraRefusal(400, "The value of maxResults is not a number.") from None
    token = asked.get("nextPageToken")
    offset = int(read_token(str(token)).get("offset", 0)) if token else 0
    ids = query.ids(world.store, offset, size + 1)
    listed = [issue_id for issue_id in ids[:size] if issue_id not in world.not_listed]
    issues = world.store.stored(listed, as_searched=True)
    more, following = len(ids) > size, page_token(offset=offset + size, walk=str(asked.get("jql")))
    fault: Fault | None = request.scope.get("sandbox.fault")
    if fault and fault.kind == "empty_page":
        more, following, issues = True, page_token(offset=offset, again=fault.count), []
    elif fault and fault.kind == "repeat_token" and more:
        following = fault.memory.setdefault("token", following)
    elif fault and fault.kind == "end_early":
        more = False
    body = b'{"issues":' + issue_bytes(world, issues, fields, with_changelog="changelog" in expand, expand=expand)
    if more:
        return answer(world, body + f',"nextPageToken":"{following}","isLast":false}}'.encode())
    return answer(world, body + b',"isLast":true}')


async def approximate_count(world: JiraWorld, request: Request) -> Response:
    """``search/approximate-count``."""
    return answer(world, {"count": _compiled(world, (await json_body(request)).get("jql")).count(world.store)})


async def removed_search(world: JiraWorld, request: Request) -> Response:
    """``search``: Jira Cloud has removed it."""
    raise JiraRefusal(410, _GONE)


# -- issues


def _visible(world: JiraWorld, key_or_id: str) -> int | None:
    """The id of an issue that the account may see; None for any other."""
    issue_id = world.store.find(key_or_id)
    if issue_id is None:
        return None
    return None if world.site.projects[world.store.project_id(issue_id)].hidden else issue_id


def _issue_id(world: JiraWorld, request: Request) -> int:
    issue_id = _visible(world, request.path_params["issue"])
    if issue_id is None:
        raise JiraRefusal(404, "Issue does not exist or you do not have permission to see it.")
    return issue_id


async def get_issue(world: JiraWorld, request: Request) -> Response:
    """``issue/{id}``: one issue."""
    found = world.store.stored([_issue_id(world, request)], as_searched=False)
    fields = _names(request.query_params.get("fields")) or ["*all"]
    expand = request.query_params.get("expand", "")
    return answer(world, issue_bytes(world, found, fields, with_changelog="changelog" in expand, expand=expand)[1:-1])


async def issue_bulkfetch(world: JiraWorld, request: Request) -> Response:
    """``issue/bulkfetch``: up to 100 issues, in the order of their ids; unknown ones are left out silently."""
    asked = await json_body(request)
    wanted = [str(name) for name in asked.get("issueIdsOrKeys") or []]
    if not 1 <= len(wanted) <= RICH_PAGE:
        raise JiraRefusal(400, f"The number of issues must be between 1 and {RICH_PAGE}.")
    ids = sorted({found for name in wanted if (found := _visible(world, name)) is not None})
    errors = []
    if "sandbox.fault" in request.scope:
        errors = [{"id": str(ids.pop(0)), "errorMessage": "The issue could not be fetched. Try again."}]
    fields = _names(asked.get("fields")) or ["*navigable"]
    expand = ",".join(_names(asked.get("expand")))
    issues = issue_bytes(
        world,
        world.store.stored(ids, as_searched=False),
        fields,
        with_changelog="changelog" in expand,
        expand=expand,
    )
    return answer(world, b'{"issues":' + issues + b',"issueErrors":' + orjson.dumps(errors) + b"}")


async def changelog_bulkfetch(world: JiraWorld, request: Request) -> Response:
    """``changelog/bulkfetch``: histories by date, so that the histories of one issue are split over pages."""
    asked = await json_body(request)
    wanted = [str(name) for name in asked.get("issueIdsOrKeys") or []]
    field_ids = [str(name) for name in asked.get("fieldIds") or []]
    if not 1 <= len(wanted) <= 1000:
        raise JiraRefusal(400, "The number of issue ids or keys must be between 1 and 1000.")
    if len(field_ids) > 10:
        raise JiraRefusal(400, "No more than 10 field ids may be given.")
    ids = sorted({found for name in wanted if (found := _visible(world, name)) is not None})
    size = max(1, min(int(asked.get("maxResults") or 1000), 10_000))
    token = asked.get("nextPageToken")
    offset = int(read_token(str(token)).get("offset", 0)) if token else 0
    rows = world.store.histories(ids, offset, size + 1, field_ids)
    by_issue: dict[int, list[bytes]] = {}
    for issue_id, created, document in rows[:size]:
        shown = document
        if world.epoch_changelogs:
            shown = document.replace(f'"{platform_time(created)}"'.encode(), str(created).encode(), 1)
        by_issue.setdefault(issue_id, []).append(shown)
    logs = (
        f'{{"issueId":"{issue_id}","changeHistories":['.encode() + b",".join(histories) + b"]}"
        for issue_id, histories in by_issue.items()
    )
    body = b'{"issueChangeLogs":[' + b",".join(logs) + b"]"
    if len(rows) > size:
        body += f',"nextPageToken":"{page_token(offset=offset + size)}"'.encode()
    return answer(world, body + b"}")


async def issue_changelog(world: JiraWorld, request: Request) -> Response:
    """``issue/{id}/changelog``: oldest first, with a total."""
    issue_id = _issue_id(world, request)
    start, size = max(0, number(request, "startAt", 0)), number(request, "maxResults", 100, 100)
    shown = [row[2] for row in world.store.histories([issue_id], start, size)]
    total = world.store.count("histories", issue_id)
    last = "true" if start + len(shown) >= total else "false"
    head = f'{{"startAt":{start},"maxResults":{size},"total":{total},"isLast":{last},"values":['
    return answer(world, head.encode() + b",".join(shown) + b"]}")


async def issue_worklogs(world: JiraWorld, request: Request) -> Response:
    """``issue/{id}/worklog``: oldest first, with a total."""
    _allow(world, "worklogs")
    issue_id = _issue_id(world, request)
    start, size = max(0, number(request, "startAt", 0)), number(request, "maxResults", 5000, 5000)
    shown = world.store.worklogs_of(issue_id, start, size)
    head = f'{{"startAt":{start},"maxResults":{size},"total":{world.store.count("worklogs", issue_id)},"worklogs":['
    return answer(world, head.encode() + b",".join(shown) + b"]}")


async def issue_comments(world: JiraWorld, request: Request) -> Response:
    """``issue/{id}/comment``: oldest first, with a total that counts restricted comments too."""
    issue_id = _issue_id(world, request)
    start, size = max(0, number(request, "startAt", 0)), number(request, "maxResults", 100, 5000)
    shown = world.store.comments(issue_id, start, size)
    head = f'{{"startAt":{start},"maxResults":{size},"total":{world.store.count("comments", issue_id)},"comments":['
    return answer(world, head.encode() + b",".join(shown) + b"]}")


# -- worklogs

#: Changed worklogs per page.
WORKLOGS_PER_PAGE = 1000


def _changed_worklogs(table: str) -> Handler:
    async def changed(world: JiraWorld, request: Request) -> Response:
        """``worklog/updated`` and ``worklog/deleted``: paged by time; changes of the last minute are left out."""
        _allow(world, "worklogs")
        since = number(request, "since", 0)
        until = world.clock.now() - 60_000
        # A page never ends inside a millisecond, because the next page starts after it.
        found = list(world.store.changed_worklogs(table, since, until, WORKLOGS_PER_PAGE + 1))
        last = len(found) <= WORKLOGS_PER_PAGE
        if not last:
            edge = found[-1][1]
            found = [row for row in found if row[1] < edge] or list(
                world.store.changed_worklogs(table, edge, edge, 1_000_000)
            )
        newest = found[-1][1] if found else until
        base = str(request.url.replace(query=""))
        body: Document = {
            "values": [{"worklogId": i, "updatedTime": at, "properties": []} for i, at in found],
            "since": since,
            "until": newest,
            "self": f"{base}?since={since}",
            "lastPage": last,
        }
        return answer(world, body if last else body | {"nextPage": f"{base}?since={newest + 1}"})

    return changed


async def worklog_list(world: JiraWorld, request: Request) -> Response:
    """``worklog/list``: details of up to 1,000 worklogs; deleted and hidden ones are left out."""
    _allow(world, "worklogs")
    ids = [int(i) for i in (await json_body(request)).get("ids") or []]
    if len(ids) > 1000:
        raise JiraRefusal(400, "The number of worklog ids must not be more than 1000.")
    shown = [document for issue_id, document in world.store.worklogs(ids) if _visible(world, str(issue_id))]
    return answer(world, b"[" + b",".join(shown) + b"]")


# -- reference data


def _allow(world: JiraWorld, permission: str) -> None:
    if permission in world.denied:
        raise JiraRefusal(403, "You do not have permission to perform this operation.")


async def project_search(world: JiraWorld, request: Request) -> Response:
    """``project/search``: projects that the account may see; ``expand=insight`` counts their issues."""
    _allow(world, "projects")
    world.store.reveal(world.clock.now())
    states = set(_names(request.query_params.get("status", "live")))
    shown = [
        p for p in world.site.projects.values() if not p.hidden and ("archived" if p.archived else "live") in states
    ]
    with_insight = "insight" in request.query_params.get("expand", "")
    page = numbered_page(shown, request, most=100, default=50)
    page["values"] = [p.document | (_insight(world, p) if with_insight else {}) for p in page["values"]]
    return answer(world, page)


def _insight(world: JiraWorld, project: Project) -> Document:
    total, newest = world.store.project_insight(project.id)
    insight: Document = {"totalIssueCount": total}
    if newest is not None:
        insight["lastIssueUpdateTime"] = platform_time(newest)
    return {"insight": insight, **({"archived": True} if project.archived else {})}


def _versions(world: JiraWorld, request: Request) -> list[Document]:
    project = world.site.project(request.path_params["project"])
    if project is None:
        raise JiraRefusal(404, f"No project could be found with key '{request.path_params['project']}'.")
    return [v.document for v in world.site.versions.values() if v.project_id == project.id]


async def project_versions(world: JiraWorld, request: Request) -> Response:
    """``project/{id}/versions``: all versions at once."""
    return answer(world, _versions(world, request))


async def version_page(world: JiraWorld, request: Request) -> Response:
    """``project/{id}/version``: versions, paged."""
    return answer(world, numbered_page(_versions(world, request), request, most=50))


async def fields(world: JiraWorld, request: Request) -> Response:
    """``field``: every field."""
    _allow(world, "fields")
    return answer(world, [f.document for f in world.site.fields.values()])


async def statuses(world: JiraWorld, request: Request) -> Response:
    """``status``: every status."""
    return answer(world, [s.document for s in world.site.statuses.values()])


#: The most accounts per page, also when more are asked for.
USERS_PER_PAGE = 1000


async def users(world: JiraWorld, request: Request) -> Response:
    """``users/search``: a plain list; an empty page ends the walk."""
    _allow(world, "users")
    start, size = max(0, number(request, "startAt", 0)), number(request, "maxResults", 50, USERS_PER_PAGE)
    return answer(world, [u.profile for u in islice(world.site.users.values(), start, start + size)])


async def myself(world: JiraWorld, request: Request) -> Response:
    """``myself``: the token's user, with the zone in which JQL reads dates."""
    return answer(world, world.account.profile)


async def server_info(world: JiraWorld, request: Request) -> Response:
    """``serverInfo``: the site and its clock."""
    return answer(
        world,
        {
            "baseUrl": str(request.base_url).rstrip("/"),
            "version": "1001.0.0-SNAPSHOT",
            "versionNumbers": [1001, 0, 0],
            "deploymentType": "Cloud",
            "buildNumber": 100200,
            "serverTime": platform_time(world.clock.now()),
            "serverTitle": "Jira",
        },
    )


ROUTES: Sequence[tuple[str, Handler, list[str]]] = (
    ("/search/jql", search, ["GET", "POST"]),
    ("/search/approximate-count", approximate_count, ["POST"]),
    ("/search", removed_search, ["GET", "POST"]),
    ("/issue/bulkfetch", issue_bulkfetch, ["POST"]),
    ("/changelog/bulkfetch", changelog_bulkfetch, ["POST"]),
    ("/issue/{issue}", get_issue, ["GET"]),
    ("/issue/{issue}/changelog", issue_changelog, ["GET"]),
    ("/issue/{issue}/comment", issue_comments, ["GET"]),
    ("/issue/{issue}/worklog", issue_worklogs, ["GET"]),
    ("/worklog/updated", _changed_worklogs("worklogs"), ["GET"]),
    ("/worklog/deleted", _changed_worklogs("deleted_worklogs"), ["GET"]),
    ("/worklog/list", worklog_list, ["POST"]),
    ("/project/search", project_search, ["GET"]),
    ("/project/{project}/versions", project_versions, ["GET"]),
    ("/project/{project}/version", version_page, ["GET"]),
    ("/field", fields, ["GET"]),
    ("/status", statuses, ["GET"]),
    ("/users/search", users, ["GET"]),
    ("/myself", myself, ["GET"]),
    ("/serverInfo", server_info, ["GET"]),
)


def platform_routes(bound: Callable[[Handler], Any]) -> list[Route]:
    """The routes of the interface; ``bound`` turns a handler into an endpoint."""
    return [Route(f"/rest/api/3{path}", bound(handler), methods=methods) for path, handler, methods in ROUTES]
