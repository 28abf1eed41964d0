"""Tempo as a service of the sandbox: who may ask, how fast, and where it is."""

from __future__ import annotations

import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from impulsum_pipelines.sandbox.team import Team
from impulsum_pipelines.sandbox.tempo.api import ROOT, routes
from impulsum_pipelines.sandbox.tempo.control import TempoControl
from impulsum_pipelines.sandbox.tempo.history import grow
from impulsum_pipelines.sandbox.tempo.limit import RealTimeLimit
from impulsum_pipelines.sandbox.tempo.world import TempoWorld

#: A stand-in's token opens nothing.
TOKEN = "sandbox-tempo-token"  # noqa: S105


def env(url: str) -> dict[str, str]:
    """The settings that point the source at the sandbox at ``url``."""
    return {"TEMPO_API_URL": f"{url}{ROOT}", "TEMPO_API_TOKEN": TOKEN}


def build(team: Team) -> Tempo:
    """The service, with the team's hours in it."""
    return Tempo(team)


class Tempo:
    """The service (the protocol :class:`impulsum_pipelines.sandbox.services.Service`)."""

    def __init__(self, team: Team) -> None:
        self.world: TempoWorld = grow(team)
        self.limit = RealTimeLimit()
        self.control = TempoControl(self.world, team, self.limit)
        self._routes = Starlette(routes=routes(self.world))

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, if whoever sends it may ask now."""
        if refused := self._refusal(scope):
            await refused(scope, receive, send)
        else:
            await self._routes(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        if not self.limit.lets_pass():
            return _refusal(429, "Too many requests", {"Retry-After": "1"})
        given = dict(scope["headers"]).get(b"authorization", b"")
        if given != f"Bearer {TOKEN}".encode() or self.world.token_revoked:
            return _refusal(401, "Unauthorized")
        return None


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps({"errors": {"message": message}}), status, headers, media_type="application/json")
