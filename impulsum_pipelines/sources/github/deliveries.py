"""What came of the code: releases, deployments with their statuses, and runs of workflows."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Scan
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.github.client import CONCURRENCY, PAGE
from impulsum_pipelines.sources.github.reading import Piece, Reading
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.github.tables import DEPLOYMENT_STATUSES, RELEASES, WORKFLOW_RUNS

#: States after which a deployment is given no other; one that failed put nothing in the place of the one before it.
FAILED = frozenset({"error", "failure"})
FINAL = FAILED | {"inactive"}
#: For how long a deployment that nobody ends is asked about in every live pull, and for how long once an hour.
ASKED_ALWAYS, ASKED_HOURLY = timedelta(days=2), timedelta(days=30)
#: A run can be started again for 30 days: https://docs.github.com/en/actions/how-tos/manage-workflow-runs.
RERUNS = timedelta(days=31)
#: A filtered list of runs gives no more than this: https://docs.github.com/en/rest/actions/workflow-runs.
RUN_CAP = 1_000
#: GitHub removes old runs by itself; one that vanished when older than this is no deletion.
KEPT = timedelta(days=85)


class Deliveries:
    """The releases, deployments and runs of one repository."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.sync = reading.sync
        self.client = reading.client
        self.now = self.sync.started_at or datetime.now(UTC)

    # --------------------------------------------------------------- releases

    def releases(self) -> Iterator[Piece]:
        """Every release, whenever the newest ones changed: the list knows no time of change. All once an hour."""
        reading = self.reading
        listed: dict[str, Document] = {}
        whole = reading.full or not reading.is_live or self.sync.due(RELEASES)
        walk = reading.whole if whole else partial(reading.walk, by="")
        for page in reading.twice_where_missing("releases", lambda: walk("releases", "/releases")):
            listed.update({str(document.get("id")): document for document in page})
        if "releases" not in reading.unchanged:
            yield Piece("releases", [(reading.id, document) for document in listed.values()])
            reading.census("releases", listed)

    # ------------------------------------------------------------ deployments

    def deployments(self) -> Iterator[Piece]:
        """Deployments, newest first, and the statuses of those that may have been given another."""
        reading = self.reading
        low = reading.low if reading.is_live or reading.full else reading.low - RERUNS
        listed: dict[str, Document] = {}
        walk = partial(reading.walk, "deployments", "/deployments", by="created_at", low=low)
        for page in reading.twice_where_missing("deployments", walk) if reading.full else walk():
            listed.update({str(document["id"]): document for document in page if "id" in document})
        in_span = {
            i: d for i, d in listed.items() if reading.wanted(d, "created_at", "updated_at")
        }  # fmt: skip
        shown = listed if reading.is_live and not reading.full else in_span
        yield Piece("deployments", [(reading.id, document) for document in shown.values()])
        if reading.full:
            gone = reading.held_ids("deployments") - listed.keys()
            self.sync.found_all(Scan("deployment_statuses", (), ("deployment_id",), sorted(gone), guarded=False))
            reading.census("deployments", listed, in_span)
        asked = self._unsettled(listed) if reading.is_live or reading.full else self._around(listed, in_span)
        yield from self._statuses(sorted(asked))

    def _around(self, listed: dict[str, Document], in_span: dict[str, Document]) -> set[str]:
        """In a window: its deployments, those of just before, and the one that each replaced in its environment."""
        asked = set(in_span)
        failed = {i for i, (_, _, state) in self._held().items() if state in FAILED}
        ids = sorted(listed, key=int)
        for place, deployment_id in enumerate(ids):
            created = as_datetime(listed[deployment_id].get("created_at"))
            if created and self.reading.low - ASKED_ALWAYS <= created < self.reading.low:
                asked.add(deployment_id)
            if deployment_id in in_span:
                where = listed[deployment_id].get("environment")
                before = [i for i in ids[:place] if listed[i].get("environment") == where and i not in failed]
                asked.update(before[-1:])
        return asked

    def _unsettled(self, listed: dict[str, Document]) -> set[str]:
        """Deployments that are new, not at their end, or that a newer one in their environment may have replaced."""
        held = self._held()
        states = {row_id: state for row_id, (_, _, state) in held.items()}
        known = {row_id: (environment, at) for row_id, (environment, at, _) in held.items()}
        known |= {i: (d.get("environment"), as_datetime(d.get("created_at"))) for i, d in listed.items()}
        due = self.sync.due(DEPLOYMENT_STATUSES)
        replaced: dict[str, datetime] = {}  # by environment, when the deployment after this one was made
        asked = set()
        for deployment_id in sorted(known, key=int, reverse=True):
            environment, at = known[deployment_id]
            since = replaced.get(str(environment))
            if states.get(deployment_id) not in FAILED:  # what failed put nothing in the place of another
                replaced[str(environment)] = at or self.now
            if self.reading.full and deployment_id not in listed:
                continue
            if deployment_id not in states:
                asked.add(deployment_id)
            elif states[deployment_id] not in FINAL:
                # Where a success is the last, once an hour: people may end an environment by hand.
                is_success = states[deployment_id] == "success"
                age = self.now - (since or (self.now - ASKED_ALWAYS if is_success else at) or self.now)
                if age < ASKED_ALWAYS or (due and age < ASKED_HOURLY) or self.reading.full:
                    asked.add(deployment_id)
        return asked

    def _held(self) -> dict[str, tuple[str | None, datetime | None, str | None]]:
        """Environment, creation and newest state of each deployment that is held."""
        rows = self.sync.held.query(
            f"""
            select id, environment, created_at, state
            from raw.deployments
            left join (
                select deployment_id as id, arg_max(state, id::bigint) as state
                from raw.deployment_statuses where {ALIVE} group by deployment_id
            ) using (id)
            where repository_id = ? and {ALIVE}
            """,
            [self.reading.id],
        )
        return {row_id: (environment, at, state) for row_id, environment, at, state in rows}

    def _statuses(self, deployment_ids: list[str]) -> Iterator[Piece]:
        """All statuses of these deployments."""
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="github") as pool:
            try:
                for deployment_id, found in zip(
                    deployment_ids, pool.map(self._statuses_of, deployment_ids), strict=True
                ):
                    if found is None:
                        self.sync.found_all(Scan("deployments", {deployment_id}, are_gone=True))
                    statuses = found or []
                    yield Piece("deployment_statuses", [(self.reading.id, d, deployment_id) for d in statuses])
                    ids = {str(document.get("id")) for document in statuses}
                    self.sync.found_all(
                        Scan("deployment_statuses", ids, ("deployment_id",), [deployment_id], guarded=False)
                    )
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self.sync.stream("deployment_statuses").ended = "complete"

    def _statuses_of(self, deployment_id: str) -> list[Document] | None:
        reading = self.reading
        try:
            return self.client.everything(
                reading.path(f"/deployments/{deployment_id}/statuses"),
                reading.endpoint("/deployments/{deployment_id}/statuses"),
            )
        except NotFoundError:
            return None

    # ------------------------------------------------------------------- runs

    def workflow_runs(self) -> Iterator[Piece]:
        """Runs of workflows. They are listed by creation and go on changing: they end, and are run again."""
        reading = self.reading
        if reading.full:
            start = max(as_datetime(reading.document.get("created_at")) or self.sync.first_day, self.sync.first_day)
            met: set[str] = set()
            for runs in self._between(start, self.now + timedelta(days=1)):
                met.update(str(run.get("id")) for run in runs)
                yield self._piece(runs)
            self._vanished(met)
        elif self.sync.window:
            for runs in self._between(reading.low - RERUNS, self.sync.window.end):
                yield self._piece([run for run in runs if reading.wanted(run, "updated_at")])
        else:
            yield from self._live()
        if self.sync.stream("workflow_runs").ended == "not read":
            self.sync.stream("workflow_runs").ended = "complete"

    def _piece(self, runs: list[Document]) -> Piece:
        return Piece("workflow_runs", [(self.reading.id, run) for run in runs])

    def _live(self) -> Iterator[Piece]:
        """The newest page; more where it does not reach back far enough; the others that had not ended."""
        reading = self.reading
        met: set[str] = set()
        due = self.sync.due(WORKFLOW_RUNS)
        start = self.now - RERUNS if due else reading.low
        newest = self.client.listing(
            reading.path("/actions/runs"),
            reading.endpoint("/actions/runs"),
            etag=reading.before.get("etags", {}).get("workflow_runs"),
            key="workflow_runs",
        )
        self.sync.stream("workflow_runs").pages += 1
        reading.after["etags"]["workflow_runs"] = newest.etag
        page = next(newest.pages(), [])
        met.update(str(run.get("id")) for run in page)
        yield self._piece(page)
        oldest = as_datetime(page[-1].get("created_at")) if page else None
        is_all = newest.total is not None and newest.total <= len(page)
        reaches = newest.unchanged or is_all or oldest is None or oldest < start
        if not reaches or (due and newest.unchanged and len(reading.held_ids("workflow_runs")) > PAGE):
            for runs in self._between(start, self.now + timedelta(days=1)):
                fresh = [run for run in runs if str(run.get("id")) not in met]
                met.update(str(run.get("id")) for run in fresh)
                yield self._piece(fresh)
        yield from self._unfinished(met, is_unchanged=newest.unchanged)

    def _unfinished(self, met: set[str], *, is_unchanged: bool) -> Iterator[Piece]:
        """Held runs that had not ended and were on no page, one by one."""
        held = self.sync.held.query(
            "select id from (select id, status, created_at from raw.workflow_runs where repository_id = ? "
            f"and {ALIVE} order by id::bigint desc offset ?) "
            "where status <> 'completed' and created_at > ?",
            [self.reading.id, PAGE if is_unchanged else 0, self.now - RERUNS],
        )
        for (run_id,) in held:
            if run_id in met:
                continue
            try:
                below, template = f"/actions/runs/{run_id}", "/actions/runs/{run_id}"
                run = self.client.one(self.reading.path(below), self.reading.endpoint(template))
                yield self._piece([run])
            except NotFoundError:
                self.sync.found_all(Scan("workflow_runs", {run_id}, are_gone=True))

    def _between(self, start: datetime, end: datetime) -> Iterator[list[Document]]:
        """Every run created in a span; where GitHub gives fewer than it counts, the halves of the span."""
        reading = self.reading
        span = f"{start:%Y-%m-%dT%H:%M:%SZ}..{end:%Y-%m-%dT%H:%M:%SZ}"
        listing = self.client.listing(
            reading.path("/actions/runs"), reading.endpoint("/actions/runs"), {"created": span}, key="workflow_runs"
        )
        total = listing.total or 0
        is_one_second = end - start < timedelta(seconds=1)
        if total <= RUN_CAP or is_one_second:
            found: dict[str, Document] = {}
            for page in listing.pages():
                self.sync.stream("workflow_runs").pages += 1
                found.update({str(run.get("id")): run for run in page})
            if len(found) >= total:
                yield list(found.values())
                return
        if is_one_second:
            raise ImpulsumError(
                Category.SOURCE_OUTAGE,
                f"GitHub counts {total} runs within one second and does not give them all",
                where=f"github workflow_runs of {reading.name}, {span}",
                next_step="nothing at first: the next pull reads the same span again.",
            )
        middle = (start + (end - start) / 2).replace(microsecond=0)
        yield from self._between(start, middle)
        yield from self._between(middle + timedelta(seconds=1), end)

    def _vanished(self, met: set[str]) -> None:
        """What was not listed is deleted, or out of sight where GitHub may have removed it for its age."""
        reading = self.reading
        young = self.sync.held.query(
            "select id from raw.workflow_runs where repository_id = ? and created_at > ?",
            [reading.id, self.now - KEPT],
        )
        missing = reading.held_ids("workflow_runs") - met
        deleted = missing & {row_id for (row_id,) in young}
        self.sync.found_all(Scan("workflow_runs", missing - deleted, are_gone=True, unreachable=True))
        reading.census("workflow_runs", met | (missing - deleted), met)
