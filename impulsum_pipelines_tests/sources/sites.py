"""What the tests of one worker share: the address of their sandboxes, and the first pull of a site that many use.

A first pull costs more than most tests that begin with one. Sites of one seed are alike, and at one address their rows
are too, so one of them is pulled, and the others get a copy of the home.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Hashable
from pathlib import Path

from starlette.types import Receive, Scope, Send

from impulsum_pipelines.sandbox.jira.world import JiraWorld
from impulsum_pipelines.sandbox.server import Running, Sandbox

#: Starts a site; the arguments are those of the source's fixture.
Start = Callable[..., Running]


class Stage:
    """An application that shows one sandbox after the other at one address."""

    def __init__(self) -> None:
        self.url = ""
        self._sandbox: Sandbox | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the sandbox that is shown now."""
        assert self._sandbox is not None
        await self._sandbox(scope, receive, send)

    def show(self, world: JiraWorld) -> Running:
        """Show another world."""
        self._sandbox = Sandbox(world)
        return Running(self.url, world)


class FirstPulls:
    """The homes after the first pulls.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept: dict[Hashable, tuple[Path, str]] = {}

    def pull(self, site: Running, sync: Callable[[], object], kind: Hashable) -> None:
        """Leave the home and the site's clock as a first pull does.

        Args:
            site: a site that is as it was generated.
            sync: pulls it.
            kind: the source, and all that makes this site differ from others of the tests.
        """
        home = Path(os.environ["IMPULSUM_HOME"])
        if kind not in self._kept:
            sync()
            kept = self._folder / str(len(self._kept))
            shutil.copytree(home, kept, ignore=shutil.ignore_patterns("limits", "locks"))
            self._kept[kind] = (kept, str(site.control("clock")["now"]))
        else:
            kept, now = self._kept[kind]
            shutil.copytree(kept, home, dirs_exist_ok=True)
            site.control("clock", now=now)
