"""One sync of GitHub: one repository after the other, each with its own watermark and memory.

A repository that is named later, or that becomes visible again, is read completely, as on the first day, and does not
depend on the watermarks of the others. An error in one of its streams ends the read of that repository: what was found
is loaded, nothing is remembered, the other repositories are read, and the next pull reads this one again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.github.client import GitHubClient
from impulsum_pipelines.sources.github.deployments import DeploymentReader
from impulsum_pipelines.sources.github.pull_requests import PullRequestReader
from impulsum_pipelines.sources.github.refusals import GoneError
from impulsum_pipelines.sources.github.repository import Batch, RepositorySync
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.github.site import GitHubSite
from impulsum_pipelines.sources.github.tables import REPOSITORIES, TABLES

#: Tables of comments, and the column with the number of the issue or pull request.
_COMMENTED = {"issue_comments": "issue_number", "review_comments": "pull_request_number"}

#: What is read of each repository.
_STREAMS = [table.name for table in TABLES if table is not REPOSITORIES]


class GitHubWalk:
    """Reads everything in the repositories of one sync."""

    def __init__(self, client: GitHubClient, site: GitHubSite, sync: Sync) -> None:
        self._client = client
        self._site = site
        self._sync = sync

    def batches(self) -> Iterator[Batch]:
        """The things of every repository, then the empty last batch; before that one the sync's memory is updated.

        Raises:
            ImpulsumError: of category authentication. Any other ends the read of one repository; the sync raises it.
        """
        sync = self._sync
        known: dict[str, Any] = dict(sync.memory.get("repositories", {}))
        resumes: dict[str, Any] = dict(sync.memory.get("resumes", {}))
        endings: dict[str, str] = {}
        for document in self._site.visible:
            repository_id = str(document["id"])
            for name in _STREAMS:
                sync.stream(name).ended = "not read"
            before = known.get(repository_id) if sync.window is None else {}
            repository = RepositorySync(self._client, sync, document, before, resumes.get(repository_id))
            pulls = PullRequestReader(repository)
            try:
                yield from _read_repository(repository, pulls)
            except ImpulsumError as error:
                if error.category is Category.AUTHENTICATION:
                    raise
                if repository.is_new and pulls.reached >= repository.resume.get("number", 1):
                    resumes[repository_id] = {"number": pulls.reached, "until": repository.after["until"]}
                # These errors would hit the other repositories too: they are not read, so no stream is complete.
                stops = error.category in (Category.RATE_LIMIT, Category.NETWORK)
                self._record_early_end(error, repository, everything=stops)
                if stops:
                    break
            else:
                known[repository_id] = repository.after
                resumes.pop(repository_id, None)
            for name in _STREAMS:
                sync.stream(name).ended = endings[name] = _worst(endings.get(name, "not read"), sync.stream(name).ended)
        self._mark_hidden()
        for repository_id in self._site.hidden:
            known.pop(repository_id, None)
        if sync.reads_all and sync.window is None:
            sync.memory.update(repositories=known, resumes=resumes, names=self._site.names)
        yield Batch(is_last=True)

    def _record_early_end(self, error: ImpulsumError, repository: RepositorySync, *, everything: bool) -> None:
        for name in _STREAMS:
            stream = self._sync.stream(name)
            if everything or stream.ended == "not read":
                stream.ended = f"early: {error.what}, at {repository.name}"
        error.where = f"{error.where} of {repository.name}"
        error.safe = "What was found is loaded; the watermark was not moved."
        self._sync.fail(error)

    def _mark_hidden(self) -> None:
        """Record that the rows of repositories that are no longer visible are unreachable, too."""
        for table in TABLES:
            if table is not REPOSITORIES and self._site.hidden:
                scan = Scan(table.name, (), ("repository_id",), self._site.hidden, unreachable=True)
                self._sync.found_all(scan)


def _worst(before: str, now: str) -> str:
    """How a stream ended over all repositories so far: early if it did in one, else complete if it did in one."""
    ranks = ("early", "complete", "unchanged", "not read")
    return min(before, now, key=lambda ended: ranks.index(ended.partition(":")[0]))


def _read_repository(repository: RepositorySync, pulls: PullRequestReader) -> Iterator[Batch]:
    """The streams of one repository.

    In a full read the comments come first: they show which pull requests lost one, and so must be read again. Otherwise
    comments come after the things that they belong to: a comment that is written during the sync is then one more than
    was counted, and never one less.
    """
    if repository.is_full:
        before = {table: repository.stored_ids(table) for table in _COMMENTED}
        yield from _comments(repository)
        yield from _issues(repository)
        yield from pulls.pull_requests(_numbers_that_lost_comments(repository, before))
    else:
        yield from _issues(repository)
        yield from pulls.pull_requests()
        yield from _comments(repository)
    yield from pulls.commits()
    deployments = DeploymentReader(repository)
    yield from deployments.releases()
    yield from deployments.deployments()
    yield from deployments.workflow_runs()


def _comments(repository: RepositorySync) -> Iterator[Batch]:
    yield from repository.changed_or_all("issue_comments", "/issues/comments")
    yield from repository.changed_or_all("review_comments", "/pulls/comments")


def _numbers_that_lost_comments(repository: RepositorySync, before: dict[str, set[str]]) -> set[int]:
    """Numbers of pull requests of which the full read missed a comment: losing one changes no time of change."""
    found: set[int] = set()
    for scan in repository.sync.scans:
        if scan.table in before and repository.id in scan.scope:
            lost = sorted(before[scan.table] - set(scan.ids))
            numbers = repository.sync.stored.query(
                f"select distinct {_COMMENTED[scan.table]} from raw.{scan.table} "
                "semi join (select unnest(?) as id) using (id)",
                [lost],
            )
            found |= {number for (number,) in numbers if lost}
    return found


def _issues(repository: RepositorySync) -> Iterator[Batch]:
    """Issues, without the pull requests that GitHub lists among them.

    A repository whose issues are turned off shows none; once they are turned on again, all are read.
    """
    turned_on = repository.is_live and bool(repository.before.get("issues_off"))
    try:
        if not repository.document.get("has_issues", True):
            raise GoneError("issues")
        yield from repository.changed_or_all(
            "issues",
            "/issues",
            {"state": "all"},
            keep=_is_issue,
            full=repository.is_full or turned_on,
        )
    except GoneError:
        repository.after["issues_off"] = True
        repository.sync.found_all(Scan("issues", (), ("repository_id",), [repository.id], unreachable=True))


def _is_issue(document: Document) -> bool:
    return "pull_request" not in document
