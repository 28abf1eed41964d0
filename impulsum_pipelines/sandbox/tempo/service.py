"""Tempo as a service of the sandbox: its settings, its credentials and its limit."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from impulsum_pipelines.sandbox.refusal import Refusal
from impulsum_pipelines.sandbox.team import Team
from impulsum_pipelines.sandbox.tempo.api import ROOT, routes
from impulsum_pipelines.sandbox.tempo.control import TempoControl
from impulsum_pipelines.sandbox.tempo.history import build_world
from impulsum_pipelines.sandbox.tempo.limits import TempoLimits
from impulsum_pipelines.sandbox.tempo.world import TempoWorld

#: The token opens nothing but the sandbox.
TOKEN = "sandbox-tempo-token"  # noqa: S105


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {"TEMPO_API_URL": f"{url}{ROOT}", "TEMPO_API_TOKEN": TOKEN}


def build_service(team: Team) -> Tempo:
    """The service with the team's hours in it."""
    return Tempo(team)


class Tempo:
    """The service (the protocol :class:`impulsum_pipelines.sandbox.services.Service`)."""

    def __init__(self, team: Team) -> None:
        self.world: TempoWorld = build_world(team)
        self.limit = TempoLimits()
        self.control = TempoControl(self.world, team, self.limit)
        self._routes = Starlette(routes=routes(self.world))

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it: too many requests, or no valid token."""
        if refusal := self._refusal(scope):
            await refusal.response(scope, receive, send)
        else:
            await self._routes(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refusal | None:
        # Unlike those of the endpoints, these bodies have an object where the others have a list.
        if not self.limit.lets_pass():
            return Refusal(429, {"errors": {"message": "Too many requests"}}, {"Retry-After": "1"})
        given = dict(scope["headers"]).get(b"authorization", b"")
        if given != f"Bearer {TOKEN}".encode() or self.world.token_revoked:
            return Refusal(401, {"errors": {"message": "Unauthorized"}})
        return None
