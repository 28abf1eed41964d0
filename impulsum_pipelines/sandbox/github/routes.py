"""GitHub's REST API over HTTP: its paths, and what every request passes on its way in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.github import answers
from impulsum_pipelines.sandbox.github.asking import TOKEN, VERSIONS, Account, Asked, Refusal
from impulsum_pipelines.sandbox.github.state import Repository
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Handler = Callable[[Asked], Any]


def build_app(world: GitHubWorld, account: Account) -> Starlette:
    """The API as an application; its paths begin with /github."""
    of_repository: list[tuple[str, Handler, str]] = [
        ("", lambda a: a.show.full_repository(a.repository), "metadata"),
        ("/pulls", answers.pulls, "pull_requests"),
        ("/pulls/comments", answers.review_comments, "pull_requests"),
        ("/pulls/{number:int}", answers.pull, "pull_requests"),
        ("/pulls/{number:int}/reviews", answers.reviews, "pull_requests"),
        ("/pulls/{number:int}/commits", answers.pull_commits, "pull_requests"),
        ("/issues", answers.issues, "issues"),
        ("/issues/comments", answers.issue_comments, "issues"),
        ("/issues/{number:int}", answers.issue, "issues"),
        ("/commits", answers.commits, "contents"),
        ("/compare/{basehead}", answers.compare, "contents"),
        ("/releases", answers.releases, "contents"),
        ("/deployments", answers.deployments, "deployments"),
        ("/deployments/{number:int}/statuses", answers.statuses, "deployments"),
        ("/actions/runs", answers.runs, "actions"),
        ("/actions/runs/{number:int}", answers.run, "actions"),
    ]
    elsewhere: list[tuple[str, Handler]] = [
        ("/user", lambda a: a.show.user(world.people[0])),
        ("/orgs/{owner}/repos", answers.organization),
        ("/users/{owner}/repos", answers.of_user),
    ]
    door = _Door(world, account)
    routes = [Route(f"/github{path}", door.plain(path, handler)) for path, handler in elsewhere]
    for path, handler, permission in of_repository:
        for prefix in ("/repos/{owner}/{repo}", "/repositories/{repository:int}"):
            routes.append(Route(f"/github{prefix}{path}", door.of_repository(path, handler, permission)))
    missing = Route("/{rest:path}", door.plain("other", answers.nothing))
    return Starlette(routes=[*routes, missing])


class _Door:
    """What every request passes: the token, the limits, the permission, the name of the repository, the ETag."""

    def __init__(self, world: GitHubWorld, account: Account) -> None:
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
