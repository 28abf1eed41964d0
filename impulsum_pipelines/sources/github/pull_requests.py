"""Pull requests, their reviews, and commits; a file of its own because they are read together and prove each other.

A commit is kept while a pull request or the default branch reaches it, so what became of commits is known only after
the pull requests were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import orjson

from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Scan
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF
from impulsum_pipelines.sources.base.values import as_datetime, as_int
from impulsum_pipelines.sources.github.client import CONCURRENCY
from impulsum_pipelines.sources.github.refusals import EmptyRepositoryError
from impulsum_pipelines.sources.github.repository import BY_CHANGE, BY_CREATION, Batch, RepositorySync
from impulsum_pipelines.sources.github.rows import Document

#: GitHub lists no more commits of a pull request than this.
MOST_LISTED = 250
#: Times have whole seconds: a thing that was read so soon after its change may have changed again in that second.
SETTLED = timedelta(minutes=1)


class PullRequestDetail(NamedTuple):
    """One pull request, from its own page, with its reviews and commits."""

    pull: Document
    reviews: list[Document]
    commits: list[Document]


class PullRequestReader:
    """Reads the pull requests and commits of one repository.

    Attributes:
        reached: the number of the pull request up to which a full read came; 0 before it began.
    """

    def __init__(self, repository: RepositorySync) -> None:
        self.repository = repository
        self.sync = repository.sync
        self.client = repository.client
        self.reached = 0
        #: By id of each pull request that was read, its commits.
        self._shas: dict[str, list[str]] = {}
        self._dropped: set[str] = set()
        #: Commits that the default branch reaches, as far as was read, and whether those are all.
        self._on_default: set[str] = set()
        self._knows_default = False

    # ---------------------------------------------------------- pull requests

    def pull_requests(self, again: Iterable[int] = ()) -> Iterator[Batch]:
        """The pull requests that changed, each with its reviews and commits.

        A pull request is an issue too, with the same time of change: when the list of issues, which has the pull
        requests as well, has not changed, the list of pull requests is not asked for.

        Args:
            again: numbers of pull requests to read even if they did not change.
        """
        repository = self.repository
        if repository.is_full:
            yield from self._all(set(again))
        elif "issues" in repository.unchanged:
            self.sync.stream("pull_requests").ended = self.sync.stream("reviews").ended = "unchanged"
        else:
            met: set[int] = set()
            for page in repository.newest_pages("pull_requests", "/pulls", {"state": "all", **BY_CHANGE}):
                chosen = [d for d in page if repository.is_in_span(d, "updated_at") and d.get("number") not in met]
                met.update(d["number"] for d in chosen if "number" in d)
                yield from self._details(chosen)

    def _all(self, again: set[int]) -> Iterator[Batch]:
        """Every pull request in the order of creation; details only of those that are not stored as they are now."""
        repository = self.repository
        existing: set[str] = set()
        counted: set[str] = set()
        for page in repository.all_pages("pull_requests", "/pulls", {"state": "all", **BY_CREATION}):
            kept = [d for d in page if repository.is_in_span(d, "updated_at", start=self.sync.first_day)]
            existing.update(str(document.get("id")) for document in page)
            counted.update(str(document.get("id")) for document in kept)
            known = self._up_to_date(kept)
            needed = [d for d in kept if d.get("number") in again or d.get("id") not in known]
            for batch in self._details(needed):
                if batch.table == "pull_requests":
                    self.reached = max(self.reached, batch.items[0][1]["number"])
                yield batch
            self.reached = max([self.reached, *(as_int(d.get("number")) or 0 for d in page)])
            self.sync.report("pull_requests", len(counted), None)
        repository.record_census("pull_requests", existing, counted)

    def _up_to_date(self, documents: Sequence[Document]) -> set[int]:
        """Ids of those that need not be read: stored as they are now, or read by a first read that was interrupted."""
        repository = self.repository
        if repository.is_new:
            number, until = repository.resume.get("number", 0), as_datetime(repository.resume.get("until"))
            if until is None:
                return set()
            settled = until - self.sync.overlap
            return {
                d["id"]
                for d in documents
                if (as_int(d.get("number")) or 0) <= number and (as_datetime(d.get("updated_at")) or until) < settled
            }
        rows = self.sync.stored.query(
            "select id, updated_at, extracted_at from raw.pull_requests where repository_id = ? "
            f"and {ALIVE} and {NOT_CUT_OFF}",
            [repository.id],
        )
        settled_at = {row_id: at for row_id, at, read in rows if _settled(at, read)}
        return {d["id"] for d in documents if settled_at.get(str(d["id"])) == as_datetime(d.get("updated_at"))}

    def _details(self, documents: Sequence[Document]) -> Iterator[Batch]:
        """What the list does not have, a few pull requests at once; one that is gone by now is left out."""
        numbers = [document["number"] for document in documents if isinstance(document.get("number"), int)]
        if not numbers:
            return
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="github") as pool:
            try:
                for detail in pool.map(self._detail, numbers):
                    if detail:
                        yield from self._batches(detail)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _detail(self, number: int) -> PullRequestDetail | None:
        repository, below = self.repository, f"/pulls/{number}"
        template = repository.endpoint("/pulls/{pull_number}")
        try:
            pull = self.client.get(repository.path(below), template)
            reviews = self.client.get_all(repository.path(f"{below}/reviews"), f"{template}/reviews")
            commits = self.client.get_all(repository.path(f"{below}/commits"), f"{template}/commits")
        except NotFoundError:
            return None
        total = as_int(pull.get("commits")) or 0
        if total > len(commits) >= MOST_LISTED:
            commits = self._all_commits(pull) or commits
        return PullRequestDetail(pull, reviews, commits)

    def _all_commits(self, pull: Document) -> list[Document]:
        """All commits of a pull request that has more than GitHub lists; empty when they cannot be compared."""
        try:
            return self.client.compare(self.repository.name, pull["base"]["sha"], pull["head"]["sha"]).added
        except (NotFoundError, KeyError, TypeError):
            return []

    def _batches(self, detail: PullRequestDetail) -> Iterator[Batch]:
        repository, pull_id = self.repository, str(detail.pull.get("id"))
        shas = [str(commit.get("sha")) for commit in detail.commits]
        self._dropped |= set(self._stored_shas(pull_id)) - set(shas)
        self._shas[pull_id] = shas
        yield Batch("pull_requests", [(repository.id, detail.pull, shas)])
        self.sync.stream("reviews").ended = "complete"
        yield Batch("reviews", [(repository.id, review, detail.pull) for review in detail.reviews])
        yield Batch("commits", [(repository.id, commit) for commit in detail.commits])
        ids = {str(review.get("id")) for review in detail.reviews}
        self.sync.found_all(Scan("reviews", ids, parents=("pull_request_id",), scope=[pull_id], guarded=False))

    def _stored_shas(self, pull_id: str) -> list[str]:
        """The commits of a pull request as they are stored."""
        found = self.sync.stored.query("select commit_shas from raw.pull_requests where id = ?", [pull_id])
        return [sha for (listed,) in found if listed for sha in orjson.loads(listed)]

    # ---------------------------------------------------------------- commits

    def commits(self) -> Iterator[Batch]:
        """The commits that the default branch reaches; records those that nothing reaches any more.

        A live sync compares the tip of the branch with the one that was remembered: the dates of commits come from the
        committers' machines and prove nothing, and a push may bring commits of any age or from the future. Commits that
        the old tip reached and the new one does not were removed by a forced push.
        """
        repository = self.repository
        branch, pushed = repository.document.get("default_branch"), repository.document.get("pushed_at")
        head, is_settled = repository.before.get("head"), _settled(as_datetime(pushed), self.sync.started_at)
        repository.after |= {"branch": branch, "pushed_at": pushed if is_settled else None, "head": head}
        stream = self.sync.stream("commits")
        if repository.is_full or self._lost_track():
            yield from self._history()
        elif not repository.is_live:
            yield from self._window()
        elif (branch, pushed) == (repository.before.get("branch"), repository.before.get("pushed_at")):
            stream.ended = "unchanged"
        elif head is None:
            yield from self._history()
        else:
            yield from self._since(str(head), str(branch))
        self._record_gone()

    def _lost_track(self) -> bool:
        """Whether the last load was cut off after it wrote which commits pull requests have.

        Then it is no longer known which ones they had before, nor which are gone: all commits must be listed.
        """
        cut_off = self.sync.stored.query(
            "select 1 from raw.pull_requests semi join (select sync_id from raw.syncs where status = 'loading') "
            "using (sync_id) where repository_id = ? limit 1",
            [self.repository.id],
        )
        return bool(cut_off)

    def _history(self) -> Iterator[Batch]:
        """Every commit of the default branch."""
        repository = self.repository
        existing: set[str] = set()
        try:
            for page in repository.all_pages("commits", "/commits"):
                if not existing and page:
                    repository.after["head"] = page[0].get("sha")
                kept = [d for d in page if repository.is_in_span(_committer(d), "date", start=self.sync.first_day)]
                existing.update(str(document.get("sha")) for document in page)
                self._on_default.update(str(document.get("sha")) for document in kept)
                yield Batch("commits", [(repository.id, document) for document in kept])
        except EmptyRepositoryError:
            repository.after["head"] = None
        self._knows_default = True
        in_pulls = self._in_pulls()
        counted = {f"{repository.id}:{sha}" for sha in self._on_default | in_pulls}
        self._on_default |= existing
        repository.record_census("commits", {f"{repository.id}:{sha}" for sha in existing | in_pulls}, counted)

    def _window(self) -> Iterator[Batch]:
        """Commits of the default branch that are dated within the window."""
        repository, until = self.repository, self.sync.until
        span = {"since": _iso(repository.start), **({"until": _iso(until)} if until else {})}
        try:
            for page in repository.all_pages("commits", "/commits", span):
                kept = [d for d in page if repository.is_in_span(_committer(d), "date")]
                self._on_default.update(str(document.get("sha")) for document in kept)
                yield Batch("commits", [(repository.id, document) for document in kept])
        except EmptyRepositoryError:
            self.sync.stream("commits").ended = "complete"

    def _since(self, head: str, branch: str) -> Iterator[Batch]:
        """Commits that the branch reaches now and did not when its tip was ``head``, and the other way round."""
        repository = self.repository
        try:
            comparison, added = self.client.compare(repository.name, head, branch)
        except NotFoundError:  # GitHub no longer has the old tip
            yield from self._history()
            return
        self._on_default.update(str(commit.get("sha")) for commit in added)
        parents = {parent.get("sha") for commit in added for parent in commit.get("parents") or []}
        tips = [str(commit["sha"]) for commit in added if commit["sha"] not in parents]
        meeting = (comparison.get("merge_base_commit") or {}).get("sha")
        repository.after["head"] = tip = tips[-1] if tips else meeting
        yield Batch("commits", [(repository.id, document) for document in added])
        if comparison.get("behind_by") and tip:
            _, removed = self.client.compare(repository.name, tip, head)
            self._dropped.update(str(commit.get("sha")) for commit in removed)
        self.sync.stream("commits").ended = "complete"

    def _in_pulls(self) -> set[str]:
        """Commits of all pull requests: as read now, and as stored for the others."""
        rows = self.sync.stored.query(
            "select id, commit_shas from raw.pull_requests where repository_id = ? and deleted_at is null",
            [self.repository.id],
        )
        by_pull = {pull_id: orjson.loads(shas) for pull_id, shas in rows if shas} | self._shas
        return {sha for shas in by_pull.values() for sha in shas}

    def _record_gone(self) -> None:
        """Record commits that left a pull request or the default branch, and that nothing else reaches."""
        if self._knows_default or not self._dropped:
            return
        lost = self._dropped - self._on_default - self._in_pulls()
        gone = {f"{self.repository.id}:{sha}" for sha in lost if not self._is_on_default(sha)}
        self.sync.found_all(Scan("commits", gone, are_gone=True))

    def _is_on_default(self, sha: str) -> bool:
        branch = str(self.repository.document.get("default_branch"))
        try:
            comparison, _ = self.client.compare(self.repository.name, branch, sha)
        except NotFoundError:
            return False
        return comparison.get("ahead_by") == 0


def _settled(at: datetime | None, read: datetime | None) -> bool:
    """Whether a thing that changed at ``at`` and was read at ``read`` cannot have changed again in that second."""
    return at is not None and read is not None and read - at > SETTLED


def _committer(commit: Document) -> Document:
    """The committer of a commit, with the date that GitHub filters by."""
    within = commit.get("commit")
    committer = within.get("committer") if isinstance(within, dict) else None
    return committer if isinstance(committer, dict) else {}


def _iso(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
