"""Slack as a service of the sandbox."""

from __future__ import annotations

from starlette.types import ASGIApp

from impulsum_pipelines.sandbox.slack.control import SlackControl
from impulsum_pipelines.sandbox.slack.history import build_world
from impulsum_pipelines.sandbox.slack.limits import SlackLimits
from impulsum_pipelines.sandbox.slack.web_api import TOKEN, WebApi
from impulsum_pipelines.sandbox.team import Team


class Slack:
    """The Web API of one workspace, and its verbs at the control door."""

    def __init__(self, team: Team) -> None:
        workspace, limits = build_world(team), SlackLimits()
        self.app: ASGIApp = WebApi(workspace, limits).app
        self.control = SlackControl(workspace, limits)


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {"SLACK_API_URL": f"{url}/slack/api", "SLACK_BOT_TOKEN": TOKEN}


def build_service(team: Team) -> Slack:
    """The service with the team's history in it."""
    return Slack(team)
