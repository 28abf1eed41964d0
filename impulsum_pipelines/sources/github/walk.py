"""One sync of GitHub: one repository after the other, each with a watermark and a memory of its own.

A repository that is named later, or that comes back into sight, is read whole like on the first day, whatever the
others' watermarks say. What a stream could not finish, or may not read, ends that repository's read: what it found is
loaded, nothing is remembered of it, the others are read, and the next pull reads it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.github.client import GitHubClient, GoneError
from impulsum_pipelines.sources.github.deliveries import Deliveries
from impulsum_pipelines.sources.github.pulls import Pulls
from impulsum_pipelines.sources.github.reading import Piece, Reading
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.github.site import GitHubSite
from impulsum_pipelines.sources.github.tables import REPOSITORIES, TABLES

#: Tables of comments, and the column that says of which number they are.
_COMMENTED = {"issue_comments": "issue_number", "review_comments": "pull_request_number"}

#: What is read of each repository.
_STREAMS = [table.name for table in TABLES if table is not REPOSITORIES]


class Walk:
    """Everything that hangs on the repositories of one sync."""

    def __init__(self, client: GitHubClient, site: GitHubSite, sync: Sync) -> None:
        self._client = client
        self._site = site
        self._sync = sync

    def pieces(self) -> Iterator[Piece]:
        """The things of every repository, then what became of the memory, then the last piece."""
        sync = self._sync
        known: dict[str, Any] = dict(sync.memory.get("repositories", {}))
        resumes: dict[str, Any] = dict(sync.memory.get("resumes", {}))
        endings: dict[str, str] = {}
        for document in self._site.visible:
            repository = str(document["id"])
            for name in _STREAMS:
                sync.stream(name).ended = "not read"
            before = known.get(repository) if sync.window is None else {}
            reading = Reading(self._client, sync, document, before, resumes.get(repository))
            pulls = Pulls(reading)
            try:
                yield from _of_repository(reading, pulls)
            except ImpulsumError as error:
                if error.category is Category.AUTHENTICATION:
                    raise
                if reading.is_new and pulls.reached >= reading.resume.get("number", 1):
                    resumes[repository] = {"number": pulls.reached, "until": reading.after["until"]}
                # When the others would fare no better, they are not read at all, and so nothing is complete.
                stops = error.category in (Category.RATE_LIMIT, Category.NETWORK)
                self._ended_early(error, reading, everything=stops)
                if stops:
                    break
            else:
                known[repository] = reading.after
                resumes.pop(repository, None)
            for name in _STREAMS:
                sync.stream(name).ended = endings[name] = _worse(endings.get(name, "not read"), sync.stream(name).ended)
        self._hide()
        for repository in self._site.hidden:
            known.pop(repository, None)
        if sync.reads_all and sync.window is None:
            sync.memory.update(repositories=known, resumes=resumes, names=self._site.names)
        yield Piece(is_last=True)

    def _ended_early(self, error: ImpulsumError, reading: Reading, *, everything: bool) -> None:
        for name in _STREAMS:
            stream = self._sync.stream(name)
            if everything or stream.ended == "not read":
                stream.ended = f"early: {error.what}, at {reading.name}"
        error.where = f"{error.where} of {reading.name}"
        error.safe = "What was found is loaded; the watermark was not moved."
        self._sync.fail(error)

    def _hide(self) -> None:
        """What hangs on a repository that is out of sight is out of sight, too."""
        for table in TABLES:
            if table is not REPOSITORIES and self._site.hidden:
                scan = Scan(table.name, (), ("repository_id",), self._site.hidden, unreachable=True)
                self._sync.found_all(scan)


def _worse(before: str, now: str) -> str:
    """What a stream came to in all repositories so far: early if in one of them, then complete if in one."""
    ranks = ("early", "complete", "unchanged", "not read")
    return min(before, now, key=lambda ended: ranks.index(ended.partition(":")[0]))


def _of_repository(reading: Reading, pulls: Pulls) -> Iterator[Piece]:
    """The streams of one repository.

    In a census the comments come first: it then knows whose numbers went down. Otherwise they come after what they
    belong to, so that what is written meanwhile is held too much and not too little.
    """
    if reading.full:
        before = {table: reading.held_ids(table) for table in _COMMENTED}
        yield from _comments(reading)
        yield from _issues(reading)
        yield from pulls.pull_requests(_recount(reading, before))
    else:
        yield from _issues(reading)
        yield from pulls.pull_requests()
        yield from _comments(reading)
    yield from pulls.commits()
    deliveries = Deliveries(reading)
    yield from deliveries.releases()
    yield from deliveries.deployments()
    yield from deliveries.workflow_runs()


def _comments(reading: Reading) -> Iterator[Piece]:
    yield from reading.listed("issue_comments", "/issues/comments")
    yield from reading.listed("review_comments", "/pulls/comments")


def _recount(reading: Reading, before: dict[str, set[str]]) -> set[int]:
    """Numbers of pull requests of which a census misses a comment: losing one does not change them."""
    found: set[int] = set()
    for scan in reading.sync.scans:
        if scan.table in before and reading.id in scan.scope:
            lost = sorted(before[scan.table] - set(scan.ids))
            numbers = reading.sync.held.query(
                f"select distinct {_COMMENTED[scan.table]} from raw.{scan.table} "
                "semi join (select unnest(?) as id) using (id)",
                [lost],
            )
            found |= {number for (number,) in numbers if lost}
    return found


def _issues(reading: Reading) -> Iterator[Piece]:
    """Issues without the pull requests that GitHub lists among them.

    Where a repository has its issues turned off there are none to be seen; once they are on again all are read.
    """
    turned_on = reading.is_live and bool(reading.before.get("issues_off"))
    try:
        if not reading.document.get("has_issues", True):
            raise GoneError("issues")
        yield from reading.listed(
            "issues",
            "/issues",
            {"state": "all"},
            keep=_is_issue,
            full=reading.full or turned_on,
        )
    except GoneError:
        reading.after["issues_off"] = True
        reading.sync.found_all(Scan("issues", (), ("repository_id",), [reading.id], unreachable=True))


def _is_issue(document: Document) -> bool:
    return "pull_request" not in document
