"""GitHub as a service of the sandbox."""

from __future__ import annotations

from starlette.types import ASGIApp

from impulsum_pipelines.sandbox.github.control import GitHubControl
from impulsum_pipelines.sandbox.github.history import build_world
from impulsum_pipelines.sandbox.github.request import TOKEN, GitHubToken
from impulsum_pipelines.sandbox.github.routes import build_app
from impulsum_pipelines.sandbox.github.world import OWNER, REPOSITORIES
from impulsum_pipelines.sandbox.team import Team


class GitHub:
    """The API, and its verbs at the control door."""

    def __init__(self, team: Team) -> None:
        token = GitHubToken()
        world = build_world(team)
        self.app: ASGIApp = build_app(world, token)
        self.control = GitHubControl(world, token)


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {
        "GITHUB_API_URL": f"{url}/github",
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORIES": ",".join(f"{OWNER}/{name}" for name in REPOSITORIES),
    }


def build_service(team: Team) -> GitHub:
    """The service with the team's history in it."""
    return GitHub(team)
