"""GitHub's REST API over HTTP: its paths, and the checks that every request passes."""

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
from impulsum_pipelines.sandbox.github.request import TOKEN, VERSIONS, GitHubRefusal, GitHubRequest, GitHubToken
from impulsum_pipelines.sandbox.github.state import Repository
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Handler = Callable[[GitHubRequest], Any]


def build_app(world: GitHubWorld, token: GitHubToken) -> Starlette:
    """The API as an application; its paths begin with ``/github``."""
    of_repository: list[tuple[str, Handler, str]] = [
        ("", lambda a: a.show.full_repository(a.repository), "metadata"),
        ("/pulls", answers.list_pulls, "pull_requests"),
        ("/pulls/comments", answers.list_review_comments, "pull_requests"),
        ("/pulls/{number:int}", answers.show_pull, "pull_requests"),
        ("/pulls/{number:int}/reviews", answers.list_reviews, "pull_requests"),
        ("/pulls/{number:int}/commits", answers.list_pull_commits, "pull_requests"),
        ("/issues", answers.list_issues, "issues"),
        ("/issues/comments", answers.list_issue_comments, "issues"),
        ("/issues/{number:int}", answers.show_issue, "issues"),
        ("/commits", answers.list_commits, "contents"),
        ("/compare/{basehead}", answers.compare_commits, "contents"),
        ("/releases", answers.list_releases, "contents"),
        ("/deployments", answers.list_deployments, "deployments"),
        ("/deployments/{number:int}/statuses", answers.list_deployment_statuses, "deployments"),
        ("/actions/runs", answers.list_runs, "actions"),
        ("/actions/runs/{number:int}", answers.show_run, "actions"),
    ]
    elsewhere: list[tuple[str, Handler]] = [
        ("/user", lambda a: a.show.user(world.people[0])),
        ("/orgs/{owner}/repos", answers.list_organization_repositories),
        ("/users/{owner}/repos", answers.list_user_repositories),
    ]
    door = _Door(world, token)
    routes = [Route(f"/github{path}", door.plain(path, handler)) for path, handler in elsewhere]
    for path, handler, permission in of_repository:
        for prefix in ("/repos/{owner}/{repo}", "/repositories/{repository:int}"):
            routes.append(Route(f"/github{prefix}{path}", door.of_repository(path, handler, permission)))
    missing = Route("/{rest:path}", door.plain("other", answers.not_found))
    return Starlette(routes=[*routes, missing])


class _Door:
    """The checks of every request: token, limits, repository, permission; and the ETag of its answer."""

    def __init__(self, world: GitHubWorld, token: GitHubToken) -> None:
        self.world = world
        self.token = token

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
                raise GitHubRefusal(301, "Moved Permanently", {"Location": url}, url=url)
        if found is None or found.hidden:
            raise GitHubRefusal(404, "Not Found")
        if self.token.sso:
            raise GitHubRefusal(
                403,
                "Resource protected by organization SAML enforcement. You must grant your Personal Access token "
                "access to this organization.",
                {"X-GitHub-SSO": "required; url=https://code.example.com/orgs/harbour/sso"},
            )
        if permission in self.token.denied:
            raise GitHubRefusal(
                403,
                "Resource not accessible by personal access token",
                {"X-Accepted-GitHub-Permissions": f"{permission}=read"},
            )
        return found

    def _answer(
        self, request: Request, endpoint: str, handler: Handler, named: Callable[[], Repository | None]
    ) -> Response:
        limits = self.token.limits
        headers: dict[str, str] = {}
        try:
            self._admit(request, endpoint)
            asked = GitHubRequest(self.world, self.token, request, named())
            body = orjson.dumps(handler(asked))
            etag = f'W/"{hashlib.sha256(TOKEN.encode() + body).hexdigest()}"'
            headers = {"ETag": etag, "X-GitHub-Api-Version-Selected": asked.version}
            if asked.links:
                headers["Link"] = ", ".join(f'<{url}>; rel="{name}"' for name, url in asked.links.items())
            status = 200
            if request.headers.get("if-none-match") == etag:
                limits.give_back()
                status, body = 304, b""
        except GitHubRefusal as refusal:
            status, body, headers = refusal.status, orjson.dumps(refusal.body), refusal.headers
        headers = {**limits.headers(self.world.clock.now()), **headers, "X-GitHub-Media-Type": "github.v3"}
        return Response(body, status, headers, media_type="application/json; charset=utf-8")

    def _admit(self, request: Request, endpoint: str) -> None:
        given = request.headers.get("authorization", "")
        if given not in (f"Bearer {TOKEN}", f"token {TOKEN}") or self.token.revoked:
            raise GitHubRefusal(401, "Bad credentials")
        limits = self.token.limits
        if refused := limits.take(endpoint):
            if refused == "primary":
                raise GitHubRefusal(limits.status, "API rate limit exceeded for user ID 4000001.")
            when = {"Retry-After": "60"} if limits.says_when else {}
            raise GitHubRefusal(
                limits.status,
                "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
                when,
            )
        version = request.headers.get("x-github-api-version")
        if version is not None and version not in VERSIONS:
            raise GitHubRefusal(400, f"Invalid API version: {version}")
