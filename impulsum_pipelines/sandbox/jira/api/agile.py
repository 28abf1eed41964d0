"""Jira Software's interface, ``/rest/agile/1.0``: boards, their configuration, their sprints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from impulsum_pipelines.sandbox.jira.api.answers import JiraRefusal, answer, numbered_page
from impulsum_pipelines.sandbox.jira.site import Board
from impulsum_pipelines.sandbox.jira.world import JiraWorld

_PAGE = 50
_STATES = ("closed", "active", "future")


def _allow(world: JiraWorld) -> None:
    if "boards" in world.denied:
        raise JiraRefusal(403, "You do not have permission to view boards.")


def _shown(world: JiraWorld, board: Board) -> bool:
    project = world.site.projects.get(board.project_id or "")
    return not (project and project.hidden)


def _board(world: JiraWorld, request: Request) -> Board:
    _allow(world)
    board = world.site.boards.get(int(request.path_params["board"]))
    if board is None or not _shown(world, board):
        raise JiraRefusal(
            404,
            "Requested board cannot be viewed because it either does not exist or you do not have "
            "permission to view it.",
        )
    return board


async def boards(world: JiraWorld, request: Request) -> Response:
    """``board``: the boards that the account may see."""
    _allow(world)
    shown = [
        board.document(world.site.projects.get(board.project_id or ""))
        for board in world.site.boards.values()
        if _shown(world, board)
    ]
    return answer(world, numbered_page(shown, request, most=_PAGE))


async def board_configuration(world: JiraWorld, request: Request) -> Response:
    """``board/{id}/configuration``: columns and what the board estimates with."""
    return answer(world, _board(world, request).configuration(world.site.fields))


async def board_sprints(world: JiraWorld, request: Request) -> Response:
    """``board/{id}/sprint``: closed sprints first, then active, then future ones."""
    board = _board(world, request)
    if not board.has_sprints:
        raise JiraRefusal(400, "The board does not support sprints")
    states = request.query_params.get("state", ",".join(_STATES)).split(",")
    if unknown := set(states) - set(_STATES):
        raise JiraRefusal(400, f"Unknown sprint state: {', '.join(sorted(unknown))}.")
    found = [
        s
        for s in world.site.sprints.values()
        if s.state in states and (board.id == s.board_id or s.id in board.borrowed)
    ]
    found.sort(key=lambda s: (_STATES.index(s.state), s.id))
    return answer(world, numbered_page([s.document for s in found], request, most=_PAGE))


async def get_sprint(world: JiraWorld, request: Request) -> Response:
    """``sprint/{id}``: one sprint."""
    _allow(world)
    found = world.site.sprints.get(int(request.path_params["sprint"]))
    if found is None:
        raise JiraRefusal(404, "Sprint does not exist or you do not have permission to view it.")
    return answer(world, found.document)


def agile_routes(bound: Callable[[Callable[[JiraWorld, Request], Awaitable[Response]]], Any]) -> list[Route]:
    """The routes of the interface; ``bound`` turns a handler into an endpoint."""
    base = "/rest/agile/1.0"
    return [
        Route(f"{base}/board", bound(boards)),
        Route(f"{base}/board/{{board:int}}/configuration", bound(board_configuration)),
        Route(f"{base}/board/{{board:int}}/sprint", bound(board_sprints)),
        Route(f"{base}/sprint/{{sprint:int}}", bound(get_sprint)),
    ]
