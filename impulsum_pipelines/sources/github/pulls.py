"""Pull requests with what only they can be asked for, and the commits that they or the default branch reach."""

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
from impulsum_pipelines.sources.github.client import CONCURRENCY, EmptyRepositoryError
from impulsum_pipelines.sources.github.reading import BY_CHANGE, BY_CREATION, Piece, Reading
from impulsum_pipelines.sources.github.rows import Document

#: The list of a pull request's commits ends at so many, whatever it has.
MOST_LISTED = 250
#: Times have whole seconds: what was read so soon after its change may have changed again in that second.
SETTLED = timedelta(minutes=1)


class Detail(NamedTuple):
    """One pull request with its reviews and commits."""

    pull: Document
    reviews: list[Document]
    commits: list[Document]


class Pulls:
    """The pull requests and commits of one repository.

    Attributes:
        reached: number of the pull request up to which a full read came.
    """

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sync = reading.sync
        self.client = reading.client
        self.reached = 0
        #: Commits of the pull requests that were read, by their id.
        self._shas: dict[str, list[str]] = {}
        self._dropped: set[str] = set()
        #: Commits that the default branch was seen to reach, and whether those are all.
        self._on_default: set[str] = set()
        self._knows_default = False

    # ---------------------------------------------------------- pull requests

    def pull_requests(self, again: Iterable[int] = ()) -> Iterator[Piece]:
        """The pull requests that changed, each with its reviews and commits.

        A pull request is an issue too and shares its time of change: where the list of issues, pull requests among
        them, answered that nothing changed, theirs is not asked for.

        Args:
            again: numbers to read even if they did not change.
        """
        reading = self.reading
        if reading.full:
            yield from self._all(set(again))
        elif "issues" in reading.unchanged:
            self.sync.stream("pull_requests").ended = self.sync.stream("reviews").ended = "unchanged"
        else:
            met: set[int] = set()
            for page in reading.walk("pull_requests", "/pulls", {"state": "all", **BY_CHANGE}):
                chosen = [d for d in page if reading.wanted(d, "updated_at") and d.get("number") not in met]
                met.update(d["number"] for d in chosen if "number" in d)
                yield from self._details(chosen)

    def _all(self, again: set[int]) -> Iterator[Piece]:
        """Every pull request by its number; details only of those that are not held as they are."""
        reading = self.reading
        existing: set[str] = set()
        counted: set[str] = set()
        for page in reading.whole("pull_requests", "/pulls", {"state": "all", **BY_CREATION}):
            kept = [d for d in page if reading.wanted(d, "updated_at", low=self.sync.first_day)]
            existing.update(str(document.get("id")) for document in page)
            counted.update(str(document.get("id")) for document in kept)
            known = self._known(kept)
            needed = [d for d in kept if d.get("number") in again or d.get("id") not in known]
            for piece in self._details(needed):
                if piece.table == "pull_requests":
                    self.reached = max(self.reached, piece.items[0][1]["number"])
                yield piece
            self.reached = max([self.reached, *(as_int(d.get("number")) or 0 for d in page)])
            self.sync.report("pull_requests", len(counted), None)
        reading.census("pull_requests", existing, counted)

    def _known(self, documents: Sequence[Document]) -> set[int]:
        """Ids of those that need not be read: held as they are, or read by a first read that was cut short."""
        reading = self.reading
        if reading.is_new:
            number, until = reading.resume.get("number", 0), as_datetime(reading.resume.get("until"))
            if until is None:
                return set()
            settled = until - self.sync.overlap
            return {
                d["id"]
                for d in documents
                if (as_int(d.get("number")) or 0) <= number and (as_datetime(d.get("updated_at")) or until) < settled
            }
        held = self.sync.held.query(
            "select id, updated_at, extracted_at from raw.pull_requests where repository_id = ? "
            f"and {ALIVE} and {NOT_CUT_OFF}",
            [reading.id],
        )
        settled_at = {row_id: at for row_id, at, read in held if _settled(at, read)}
        return {d["id"] for d in documents if settled_at.get(str(d["id"])) == as_datetime(d.get("updated_at"))}

    def _details(self, documents: Sequence[Document]) -> Iterator[Piece]:
        """What the list does not say, a few pull requests at once; one that is gone by now is left out."""
        numbers = [document["number"] for document in documents if isinstance(document.get("number"), int)]
        if not numbers:
            return
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="github") as pool:
            try:
                for detail in pool.map(self._detail, numbers):
                    if detail:
                        yield from self._pieces(detail)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _detail(self, number: int) -> Detail | None:
        reading, below = self.reading, f"/pulls/{number}"
        template = reading.endpoint("/pulls/{pull_number}")
        try:
            pull = self.client.one(reading.path(below), template)
            reviews = self.client.everything(reading.path(f"{below}/reviews"), f"{template}/reviews")
            commits = self.client.everything(reading.path(f"{below}/commits"), f"{template}/commits")
        except NotFoundError:
            return None
        total = as_int(pull.get("commits")) or 0
        if total > len(commits) >= MOST_LISTED:
            commits = self._beyond(pull) or commits
        return Detail(pull, reviews, commits)

    def _beyond(self, pull: Document) -> list[Document]:
        """All commits of a pull request that has more than are listed."""
        try:
            return self.client.compare(self.reading.name, pull["base"]["sha"], pull["head"]["sha"])[1]
        except (NotFoundError, KeyError, TypeError):
            return []

    def _pieces(self, detail: Detail) -> Iterator[Piece]:
        reading, pull_id = self.reading, str(detail.pull.get("id"))
        shas = [str(commit.get("sha")) for commit in detail.commits]
        self._dropped |= set(self._held_shas(pull_id)) - set(shas)
        self._shas[pull_id] = shas
        yield Piece("pull_requests", [(reading.id, detail.pull, shas)])
        self.sync.stream("reviews").ended = "complete"
        yield Piece("reviews", [(reading.id, review, detail.pull) for review in detail.reviews])
        yield Piece("commits", [(reading.id, commit) for commit in detail.commits])
        ids = {str(review.get("id")) for review in detail.reviews}
        self.sync.found_all(Scan("reviews", ids, parents=("pull_request_id",), scope=[pull_id], guarded=False))

    def _held_shas(self, pull_id: str) -> list[str]:
        found = self.sync.held.query("select commit_shas from raw.pull_requests where id = ?", [pull_id])
        return [sha for (listed,) in found if listed for sha in orjson.loads(listed)]

    # ---------------------------------------------------------------- commits

    def commits(self) -> Iterator[Piece]:
        """What the default branch reaches.

        Live, by comparing its tip with the one that was remembered: dates of commits are the committers' and prove
        nothing, a push may bring commits of any age or of the future. What the old tip reached and the new one does
        not was taken away by a forced push.
        """
        reading = self.reading
        branch, pushed = reading.document.get("default_branch"), reading.document.get("pushed_at")
        head, is_settled = reading.before.get("head"), _settled(as_datetime(pushed), self.sync.started_at)
        reading.after |= {"branch": branch, "pushed_at": pushed if is_settled else None, "head": head}
        stream = self.sync.stream("commits")
        if reading.full or self._lost_track():
            yield from self._history()
        elif not reading.is_live:
            yield from self._window()
        elif (branch, pushed) == (reading.before.get("branch"), reading.before.get("pushed_at")):
            stream.ended = "unchanged"
        elif head is None:
            yield from self._history()
        else:
            yield from self._since(str(head), str(branch))
        self._gone()

    def _lost_track(self) -> bool:
        """Whether the last load was cut off after it wrote which commits pull requests have.

        Which they had before is known no more, so neither is which of them are gone: all there are must be listed.
        """
        cut_off = self.sync.held.query(
            "select 1 from raw.pull_requests semi join (select sync_id from raw.syncs where status = 'loading') "
            "using (sync_id) where repository_id = ? limit 1",
            [self.reading.id],
        )
        return bool(cut_off)

    def _history(self) -> Iterator[Piece]:
        """Every commit of the default branch."""
        reading = self.reading
        existing: set[str] = set()
        try:
            for page in reading.whole("commits", "/commits"):
                if not existing and page:
                    reading.after["head"] = page[0].get("sha")
                kept = [d for d in page if reading.wanted(_dated(d), "date", low=self.sync.first_day)]
                existing.update(str(document.get("sha")) for document in page)
                self._on_default.update(str(document.get("sha")) for document in kept)
                yield Piece("commits", [(reading.id, document) for document in kept])
        except EmptyRepositoryError:
            reading.after["head"] = None
        self._knows_default = True
        in_pulls = self._in_pulls()
        counted = {f"{reading.id}:{sha}" for sha in self._on_default | in_pulls}
        self._on_default |= existing
        reading.census("commits", {f"{reading.id}:{sha}" for sha in existing | in_pulls}, counted)

    def _window(self) -> Iterator[Piece]:
        """Commits of the default branch that are dated within the window."""
        reading, until = self.reading, self.sync.until
        span = {"since": _iso(reading.low), **({"until": _iso(until)} if until else {})}
        try:
            for page in reading.whole("commits", "/commits", span):
                kept = [d for d in page if reading.wanted(_dated(d), "date")]
                self._on_default.update(str(document.get("sha")) for document in kept)
                yield Piece("commits", [(reading.id, document) for document in kept])
        except EmptyRepositoryError:
            self.sync.stream("commits").ended = "complete"

    def _since(self, head: str, branch: str) -> Iterator[Piece]:
        """What the branch reaches now and did not when its tip was ``head``, and the other way round."""
        reading = self.reading
        try:
            comparison, added = self.client.compare(reading.name, head, branch)
        except NotFoundError:  # the old tip was thrown away
            yield from self._history()
            return
        self._on_default.update(str(commit.get("sha")) for commit in added)
        parents = {part.get("sha") for commit in added for part in commit.get("parents") or []}
        tips = [str(commit["sha"]) for commit in added if commit["sha"] not in parents]
        meeting = (comparison.get("merge_base_commit") or {}).get("sha")
        reading.after["head"] = tip = tips[-1] if tips else meeting
        yield Piece("commits", [(reading.id, document) for document in added])
        if comparison.get("behind_by") and tip:
            _, removed = self.client.compare(reading.name, tip, head)
            self._dropped.update(str(commit.get("sha")) for commit in removed)
        self.sync.stream("commits").ended = "complete"

    def _in_pulls(self) -> set[str]:
        """Commits of all pull requests: those read now, and of the others those held."""
        held = self.sync.held.query(
            "select id, commit_shas from raw.pull_requests where repository_id = ? and deleted_at is null",
            [self.reading.id],
        )
        of = {pull_id: orjson.loads(shas) for pull_id, shas in held if shas} | self._shas
        return {sha for shas in of.values() for sha in shas}

    def _gone(self) -> None:
        """Commits that left a pull request or the default branch, and that nothing else reaches."""
        if self._knows_default or not self._dropped:
            return
        lost = self._dropped - self._on_default - self._in_pulls()
        gone = {f"{self.reading.id}:{sha}" for sha in lost if not self._is_on_default(sha)}
        self.sync.found_all(Scan("commits", gone, are_gone=True))

    def _is_on_default(self, sha: str) -> bool:
        branch = str(self.reading.document.get("default_branch"))
        try:
            comparison, _ = self.client.compare(self.reading.name, branch, sha)
        except NotFoundError:
            return False
        return comparison.get("ahead_by") == 0


def _settled(at: datetime | None, read: datetime | None) -> bool:
    """Whether what changed then, and was read then, cannot have changed again in that second."""
    return at is not None and read is not None and read - at > SETTLED


def _dated(commit: Document) -> Document:
    """The committer's part of a commit, whose date GitHub filters by."""
    within = commit.get("commit")
    committer = within.get("committer") if isinstance(within, dict) else None
    return committer if isinstance(committer, dict) else {}


def _iso(at: Any) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
