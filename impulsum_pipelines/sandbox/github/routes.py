"""GitHub's REST API over HTTP: who asks, how often, which repository, and the page that was asked for."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.github.documents import Document, Documents
from impulsum_pipelines.sandbox.github.limits import Limits
from impulsum_pipelines.sandbox.github.state import Comment, Issue, Repository, Run
from impulsum_pipelines.sandbox.github.world import World
from impulsum_pipelines.sources.values import moment

TOKEN = "ghp_sandbox0000000000000000000000000000"  # noqa: S105 - it opens nothing
VERSIONS = ("2022-11-28", "2026-03-10")
_DOCS = "https://docs.github.com/rest"


class Refusal(Exception):  # noqa: N818 - it is an answer
    """An answer that is not 200."""

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None, **more: Any) -> None:
        self.status = status
        self.body = {"message": message, "documentation_url": _DOCS, "status": str(status), **more}
        self.headers = headers or {}
        super().__init__(message)


class Account:
    """Who may ask, and what is kept from it.

    Attributes:
        denied: permissions taken from the token: contents, issues, pull_requests, deployments, actions, metadata.
        sso: True when the organization wants the token to be authorized first.
        run_cap: how many results a filtered list of runs gives at most.
    """

    def __init__(self) -> None:
        self.revoked = False
        self.denied: set[str] = set()
        self.sso = False
        self.run_cap = 1_000
        self.limits = Limits()


class Asked:
    """One request, with the repository that it is about."""

    def __init__(self, world: World, account: Account, request: Request, repository: Repository | None) -> None:
        self.world = world
        self.account = account
        self.request = request
        self._repository = repository
        self.query = request.query_params
        self.show = Documents(world, f"{request.url.scheme}://{request.url.netloc}/github")
        self.version = request.headers.get("x-github-api-version", VERSIONS[0])
        self.links: dict[str, str] = {}

    @property
    def repository(self) -> Repository:
        """The repository; only where the path names one."""
        if self._repository is None:
            raise LookupError(f"{self.request.url.path} names no repository")
        return self._repository

    @property
    def number(self) -> int:
        """The number or id in the path."""
        return int(self.request.path_params["number"])

    def page(self, things: Iterable[Any], show: Callable[[Any], Document], most: int | None = None) -> list[Document]:
        """The page that was asked for, with the links to the others."""
        every = list(things)[:most]
        size = min(max(int(self.query.get("per_page", 30)), 1), 100)
        number = max(int(self.query.get("page", 1)), 1)
        last = max(-(-len(every) // size), 1)
        pages = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        kept: tuple[str, ...] = ("prev", "first") if number > 1 else ()
        kept += ("next", "last") if number < last else ()
        fault = self.request.scope.get("sandbox.fault")
        if fault and fault.kind == "repeat_token":
            pages["next"] = number
        if fault and fault.kind == "end_early":
            kept = tuple(name for name in kept if name != "next")
        self.links = {name: self._link(pages[name]) for name in pages if name in kept}
        return [show(thing) for thing in every[(number - 1) * size : number * size]]

    def _link(self, number: int) -> str:
        query = {**self.query, "page": number}
        return f"{self.show.api}{self.request.url.path.removeprefix('/github')}?{urlencode(query)}"

    def moment(self, name: str) -> int | None:
        """A time among the parameters, in ms; None where there is none."""
        text = self.query.get(name)
        if text is None:
            return None
        found = moment(text)
        if found is None:
            raise Refusal(422, "Validation Failed", errors=[f"{name} is no time"])
        return to_ms(found)


Handler = Callable[[Asked], Any]


def build_app(world: World, account: Account) -> Starlette:
    """The API as an application; its paths begin with /github."""
    of_repository: list[tuple[str, Handler, str]] = [
        ("", lambda a: a.show.full_repository(a.repository), "metadata"),
        ("/pulls", _pulls, "pull_requests"),
        ("/pulls/comments", _review_comments, "pull_requests"),
        ("/pulls/{number:int}", _pull, "pull_requests"),
        ("/pulls/{number:int}/reviews", _reviews, "pull_requests"),
        ("/pulls/{number:int}/commits", _pull_commits, "pull_requests"),
        ("/issues", _issues, "issues"),
        ("/issues/comments", _issue_comments, "issues"),
        ("/issues/{number:int}", _issue, "issues"),
        ("/commits", _commits, "contents"),
        ("/compare/{basehead}", _compare, "contents"),
        ("/releases", _releases, "contents"),
        ("/deployments", _deployments, "deployments"),
        ("/deployments/{number:int}/statuses", _statuses, "deployments"),
        ("/actions/runs", _runs, "actions"),
        ("/actions/runs/{number:int}", _run, "actions"),
    ]
    elsewhere: list[tuple[str, Handler]] = [
        ("/user", lambda a: a.show.user(world.people[0])),
        ("/orgs/{owner}/repos", _organization),
        ("/users/{owner}/repos", _of_user),
    ]
    door = _Door(world, account)
    routes = [Route(f"/github{path}", door.plain(path, handler)) for path, handler in elsewhere]
    for path, handler, permission in of_repository:
        for prefix in ("/repos/{owner}/{repo}", "/repositories/{repository:int}"):
            routes.append(Route(f"/github{prefix}{path}", door.of_repository(path, handler, permission)))
    missing = Route("/{rest:path}", door.plain("other", _nothing))
    return Starlette(routes=[*routes, missing])


class _Door:
    """What every request passes: the token, the limits, the permission, the name of the repository, the ETag."""

    def __init__(self, world: World, account: Account) -> None:
        self.world = world
        self.account = account

    def plain(self, path: str, handler: Handler) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return self._answer(request, path, handler, lambda: None)

        return endpoint

    def of_repository(self, path: str, handler: Handler, permission: str) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            return self._answer(request, f"repository{path}", handler, lambda: self._named(request, permission))

        return endpoint

    def _named(self, request: Request, permission: str) -> Repository:
        params = request.path_params
        if "repository" in params:
            found = self.world.repositories.get(params["repository"])
        else:
            found = self.world.find(params["owner"], params["repo"])
            moved = None if found else self.world.renamed(params["owner"], params["repo"])
            if moved and not moved.hidden:
                rest = request.url.path.split("/", 5)[5:]
                base = f"{request.url.scheme}://{request.url.netloc}/github/repositories/{moved.id}"
                url = "/".join([base, *rest]) + (f"?{request.url.query}" if request.url.query else "")
                raise Refusal(301, "Moved Permanently", {"Location": url}, url=url)
        if found is None or found.hidden:
            raise Refusal(404, "Not Found")
        if self.account.sso:
            raise Refusal(
                403,
                "Resource protected by organization SAML enforcement. You must grant your Personal Access token "
                "access to this organization.",
                {"X-GitHub-SSO": "required; url=https://code.example.com/orgs/harbour/sso"},
            )
        if permission in self.account.denied:
            raise Refusal(
                403,
                "Resource not accessible by personal access token",
                {"X-Accepted-GitHub-Permissions": f"{permission}=read"},
            )
        return found

    def _answer(
        self, request: Request, endpoint: str, handler: Handler, named: Callable[[], Repository | None]
    ) -> Response:
        limits = self.account.limits
        headers: dict[str, str] = {}
        try:
            self._admit(request, endpoint)
            asked = Asked(self.world, self.account, request, named())
            body = orjson.dumps(handler(asked))
            etag = f'W/"{hashlib.sha256(TOKEN.encode() + body).hexdigest()}"'
            headers = {"ETag": etag, "X-GitHub-Api-Version-Selected": asked.version}
            if asked.links:
                headers["Link"] = ", ".join(f'<{url}>; rel="{name}"' for name, url in asked.links.items())
            status = 200
            if request.headers.get("if-none-match") == etag:
                limits.give_back()
                status, body = 304, b""
        except Refusal as refusal:
            status, body, headers = refusal.status, orjson.dumps(refusal.body), refusal.headers
        headers = {**limits.headers(self.world.clock.now()), **headers, "X-GitHub-Media-Type": "github.v3"}
        return Response(body, status, headers, media_type="application/json; charset=utf-8")

    def _admit(self, request: Request, endpoint: str) -> None:
        given = request.headers.get("authorization", "")
        if given not in (f"Bearer {TOKEN}", f"token {TOKEN}") or self.account.revoked:
            raise Refusal(401, "Bad credentials")
        limits = self.account.limits
        if refused := limits.take(endpoint):
            if refused == "primary":
                raise Refusal(limits.status, "API rate limit exceeded for user ID 4000001.")
            when = {"Retry-After": "60"} if limits.says_when else {}
            raise Refusal(
                limits.status,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                when,
            )
        version = request.headers.get("x-github-api-version")
        if version is not None and version not in VERSIONS:
            raise Refusal(400, f"Invalid API version: {version}")


def _nothing(asked: Asked) -> Any:
    raise Refusal(404, "Not Found")


# ---------------------------------------------------------------- repositories


def _owned(asked: Asked) -> list[Document]:
    owner = asked.request.path_params["owner"].lower()
    theirs = [r for r in asked.world.repositories.values() if r.owner.lower() == owner and not r.hidden]
    if not theirs:
        raise Refusal(404, "Not Found")
    return asked.page(sorted(theirs, key=lambda r: r.full_name), asked.show.repository)


def _organization(asked: Asked) -> list[Document]:
    if asked.request.path_params["owner"] in {person.login for person in asked.world.people}:
        raise Refusal(404, "Not Found")
    return _owned(asked)


def _of_user(asked: Asked) -> list[Document]:
    return _owned(asked)


# ------------------------------------------------- pull requests and issues


def _listed(asked: Asked, issues: Iterable[Issue]) -> list[Issue]:
    """Issues of a state, since a time, in an order: open ones, newest first, unless asked otherwise."""
    state, by = asked.query.get("state", "open"), asked.query.get("sort", "created")
    since = asked.moment("since")
    chosen = [
        issue
        for issue in issues
        if (state == "all" or (state == "open") == (issue.closed is None))
        and (since is None or issue.updated // 1000 * 1000 >= since)
    ]
    ordered = sorted(chosen, key=lambda i: (i.updated if by == "updated" else i.created, i.id))
    # Only the list of pull requests turns round when it is sorted.
    up = by == "updated" and asked.request.url.path.endswith("/pulls")
    return ordered if asked.query.get("direction", "asc" if up else "desc") == "asc" else ordered[::-1]


def _pulls(asked: Asked) -> list[Document]:
    issues = [i for i in asked.world.issues.values() if i.repository == asked.repository.id and i.pull]
    pulls = [issue.pull for issue in _listed(asked, issues)]
    return asked.page(pulls, lambda pull: asked.show.pull(pull, merge_sha=asked.version == VERSIONS[0]))


def _pull(asked: Asked) -> Document:
    try:
        pull = asked.world.pull(asked.repository, asked.number)
    except LookupError:
        raise Refusal(404, "Not Found") from None
    return asked.show.full_pull(pull, merge_sha=asked.version == VERSIONS[0])


def _reviews(asked: Asked) -> list[Document]:
    of = [r for r in asked.world.reviews.values() if r.pull is _pull_of(asked)]
    return asked.page(of, asked.show.review)


def _pull_commits(asked: Asked) -> list[Document]:
    repository = asked.repository
    return asked.page(
        _pull_of(asked).commits, lambda sha: asked.show.commit(repository, repository.commits[sha]), most=250
    )


def _pull_of(asked: Asked) -> Any:
    try:
        return asked.world.pull(asked.repository, asked.number)
    except LookupError:
        raise Refusal(404, "Not Found") from None


def _issues(asked: Asked) -> list[Document]:
    if not asked.repository.has_issues:
        raise Refusal(410, "Issues has been disabled in this repository.")
    issues = [i for i in asked.world.issues.values() if i.repository == asked.repository.id]
    since = asked.query.get("since", "")
    return asked.page([] if since.startswith("1970") else _listed(asked, issues), asked.show.issue)


def _issue(asked: Asked) -> Document:
    repository = asked.repository
    if (repository.id, asked.number) in asked.world.gone:
        successor = asked.world.gone[repository.id, asked.number]
        if successor is None:
            raise Refusal(410, "This issue was deleted")
        home = asked.world.repositories[successor.repository]
        url = f"{asked.show.api}/repositories/{home.id}/issues/{successor.number}"
        raise Refusal(301, "Moved Permanently", {"Location": url}, url=url)
    try:
        return asked.show.issue(asked.world.numbered(repository, asked.number))
    except LookupError:
        raise Refusal(404, "Not Found") from None


# -------------------------------------------------------------- comments


def _comments(asked: Asked, comments: Iterable[Comment]) -> list[Comment]:
    since = asked.moment("since")
    by_update = asked.query.get("sort") == "updated"
    chosen = [
        c
        for c in comments
        if c.repository == asked.repository.id and (since is None or c.updated // 1000 * 1000 >= since)
    ]
    ordered = sorted(chosen, key=lambda c: (c.updated if by_update else c.created, c.id))
    down = "sort" in asked.query and asked.query.get("direction", "desc" if by_update else "asc") == "desc"
    return ordered[::-1] if down else ordered


def _review_comments(asked: Asked) -> list[Document]:
    return asked.page(_comments(asked, asked.world.review_comments.values()), asked.show.review_comment)


def _issue_comments(asked: Asked) -> list[Document]:
    return asked.page(_comments(asked, asked.world.issue_comments.values()), asked.show.issue_comment)


# --------------------------------------------------------------- commits


def _commits(asked: Asked) -> list[Document]:
    repository = asked.repository
    if not repository.main:
        raise Refusal(409, "Git Repository is empty.")
    since, until = asked.moment("since"), asked.moment("until")
    dates = {sha: repository.commits[sha].committed // 1000 * 1000 for sha in repository.main}
    chosen = [
        sha
        for sha in reversed(repository.main)
        if (since is None or dates[sha] >= since) and (until is None or dates[sha] <= until)
    ]
    return asked.page(chosen, lambda sha: asked.show.commit(repository, repository.commits[sha]))


def _compare(asked: Asked) -> Document:
    """What the head reaches and the base does not, oldest first."""
    repository = asked.repository
    base, dots, head = str(asked.request.path_params["basehead"]).partition("...")
    base, head = (repository.head or "" if name == repository.default_branch else name for name in (base, head))
    if not dots or base not in repository.commits or head not in repository.commits:
        raise Refusal(404, "Not Found")
    behind, ahead = repository.reached_from(base), repository.reached_from(head)
    new = [sha for sha in repository.commits if sha in ahead - behind]
    lost = behind - ahead
    shared = [sha for sha in repository.commits if sha in ahead & behind]
    if not shared:
        raise Refusal(404, "Not Found")

    def show(sha: str) -> Document:
        return asked.show.commit(repository, repository.commits[sha])

    url = f"{asked.show.api}/repos/{repository.full_name}/compare/{base}...{head}"
    state = "diverged" if new and lost else "ahead" if new else "behind" if lost else "identical"
    return {
        "url": url,
        "html_url": url,
        "permalink_url": url,
        "diff_url": f"{url}.diff",
        "patch_url": f"{url}.patch",
        "base_commit": show(base),
        "merge_base_commit": show(shared[-1]),
        "status": state,
        "ahead_by": len(new),
        "behind_by": len(lost),
        "total_commits": len(new),
        "commits": asked.page(new, show),
        "files": [],
    }


# ----------------------------------------- releases, deployments and runs


def _releases(asked: Asked) -> list[Document]:
    of = asked.world.of(asked.world.releases.values(), asked.repository)
    return asked.page(sorted(of, key=lambda r: (r.created, r.id), reverse=True), asked.show.release)


def _deployments(asked: Asked) -> list[Document]:
    of = asked.world.of(asked.world.deployments.values(), asked.repository)
    return asked.page(of[::-1], asked.show.deployment)


def _statuses(asked: Asked) -> list[Document]:
    deployment = asked.world.deployments.get(asked.number)
    if deployment is None or deployment.repository != asked.repository.id:
        raise Refusal(404, "Not Found")
    of = [s for s in asked.world.statuses.values() if s.deployment is deployment]
    return asked.page(of[::-1], asked.show.deployment_status)


def _runs(asked: Asked) -> Document:
    of = asked.world.of(asked.world.runs.values(), asked.repository)
    created = asked.query.get("created")
    chosen = [run for run in reversed(of) if created is None or _within(run, created)]
    runs = asked.page(chosen, asked.show.run, most=asked.account.run_cap if created else None)
    return {"total_count": len(chosen), "workflow_runs": runs}


def _within(run: Run, span: str) -> bool:
    """Whether a run was created in a span: ``A..B``, ``>=A``, ``<=B``; both ends count."""
    first, _, last = span.partition("..") if ".." in span else (
        (span[2:], "", "*") if span.startswith(">=") else ("*", "", span[2:])
    )  # fmt: skip
    at = run.created // 1000 * 1000
    return all(
        end == "*" or not re.match(r"\d{4}-", end) or (at >= _ms(end) if low else at <= _ms(end))
        for end, low in ((first, True), (last, False))
    )


def _ms(text: str) -> int:
    found = moment(text)
    if found is None:
        raise Refusal(422, "Validation Failed", errors=[f"{text} is no time"])
    return to_ms(found)


def _run(asked: Asked) -> Document:
    run = asked.world.runs.get(asked.number)
    if run is None or run.repository != asked.repository.id:
        raise Refusal(404, "Not Found")
    return asked.show.run(run)
