"""Releases, deployments with their statuses, and workflow runs; a file of its own because these lists hide changes.

None of them can be sorted by change, so each needs a rule of its own for what to read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.http import NotFoundError
from impulsum_pipelines.sources.base.sync import Scan
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.github.client import CONCURRENCY, PAGE
from impulsum_pipelines.sources.github.repository import Batch, RepositorySync
from impulsum_pipelines.sources.github.rows import Document
from impulsum_pipelines.sources.github.tables import DEPLOYMENT_STATUSES, RELEASES, WORKFLOW_RUNS

#: States after which a deployment gets no other. One that failed did not replace the deployment before it.
FAILED = frozenset({"error", "failure"})
FINAL = FAILED | {"inactive"}
#: How long every live pull asks for the statuses of a deployment that nobody ends, and how long once an hour.
EVERY_PULL, EVERY_HOUR = timedelta(days=2), timedelta(days=30)
#: A run can be started again for 30 days: https://docs.github.com/en/actions/how-tos/manage-workflow-runs.
RERUNS = timedelta(days=31)
#: A filtered list of runs has no more than this: https://docs.github.com/en/rest/actions/workflow-runs.
RUN_CAP = 1_000
#: GitHub removes old runs by itself: a run that vanished when it was older than this was not deleted by anybody.
RETENTION = timedelta(days=85)


class _StoredDeployment(NamedTuple):
    """What is stored of one deployment, with the newest state that it got."""

    environment: str | None
    created_at: datetime | None
    state: str | None


class DeploymentReader:
    """Reads the releases, deployments and workflow runs of one repository."""

    def __init__(self, repository: RepositorySync) -> None:
        self.repository = repository
        self.sync = repository.sync
        self.client = repository.client
        self.now = self.sync.started_at or datetime.now(UTC)

    # --------------------------------------------------------------- releases

    def releases(self) -> Iterator[Batch]:
        """Every release when the newest ones changed, and once an hour: the list has no time of change."""
        repository = self.repository
        listed: dict[str, Document] = {}
        is_due = repository.is_full or not repository.is_live or self.sync.due(RELEASES)
        read_pages = repository.all_pages if is_due else partial(repository.newest_pages, by="")
        for page in repository.census_pages("releases", lambda: read_pages("releases", "/releases")):
            listed.update({str(document.get("id")): document for document in page})
        if "releases" not in repository.unchanged:
            yield Batch("releases", [(repository.id, document) for document in listed.values()])
            repository.record_census("releases", listed)

    # ------------------------------------------------------------ deployments

    def deployments(self) -> Iterator[Batch]:
        """Deployments, newest first, and the statuses of those that may have got another one."""
        repository = self.repository
        start = repository.start if repository.is_live or repository.is_full else repository.start - RERUNS
        listed: dict[str, Document] = {}
        read_pages = partial(repository.newest_pages, "deployments", "/deployments", by="created_at", start=start)
        for page in repository.census_pages("deployments", read_pages) if repository.is_full else read_pages():
            listed.update({str(document["id"]): document for document in page if "id" in document})
        in_span = {
            i: d for i, d in listed.items() if repository.is_in_span(d, "created_at", "updated_at")
        }  # fmt: skip
        shown = listed if repository.is_live and not repository.is_full else in_span
        yield Batch("deployments", [(repository.id, document) for document in shown.values()])
        if repository.is_full:
            gone = repository.stored_ids("deployments") - listed.keys()
            self.sync.found_all(Scan("deployment_statuses", (), ("deployment_id",), sorted(gone), guarded=False))
            repository.record_census("deployments", listed, in_span)
        asked = self._unsettled(listed) if repository.is_live or repository.is_full else self._around(listed, in_span)
        yield from self._statuses(sorted(asked))

    def _around(self, listed: dict[str, Document], in_span: dict[str, Document]) -> set[str]:
        """Ids to ask for in a window: its deployments, recent ones before it, and the one that each replaced."""
        asked = set(in_span)
        failed = {i for i, deployment in self._stored().items() if deployment.state in FAILED}
        ids = sorted(listed, key=int)
        for position, deployment_id in enumerate(ids):
            created = as_datetime(listed[deployment_id].get("created_at"))
            if created and self.repository.start - EVERY_PULL <= created < self.repository.start:
                asked.add(deployment_id)
            if deployment_id in in_span:
                environment = listed[deployment_id].get("environment")
                before = [i for i in ids[:position] if listed[i].get("environment") == environment and i not in failed]
                asked.update(before[-1:])
        return asked

    def _unsettled(self, listed: dict[str, Document]) -> set[str]:
        """Ids to ask for: deployments that are new, that have not ended, or that a newer one may have replaced."""
        stored = self._stored()
        states = {row_id: deployment.state for row_id, deployment in stored.items()}
        known = {row_id: (deployment.environment, deployment.created_at) for row_id, deployment in stored.items()}
        known |= {i: (d.get("environment"), as_datetime(d.get("created_at"))) for i, d in listed.items()}
        due = self.sync.due(DEPLOYMENT_STATUSES)
        replaced: dict[str, datetime] = {}  # by environment, when the next deployment was made
        asked = set()
        for deployment_id in sorted(known, key=int, reverse=True):
            environment, at = known[deployment_id]
            since = replaced.get(str(environment))
            if states.get(deployment_id) not in FAILED:  # one that failed replaced nothing
                replaced[str(environment)] = at or self.now
            if self.repository.is_full and deployment_id not in listed:
                continue
            if deployment_id not in states:
                asked.add(deployment_id)
            elif states[deployment_id] not in FINAL:
                # The newest success of an environment once an hour: people may end the environment by hand.
                is_success = states[deployment_id] == "success"
                age = self.now - (since or (self.now - EVERY_PULL if is_success else at) or self.now)
                if age < EVERY_PULL or (due and age < EVERY_HOUR) or self.repository.is_full:
                    asked.add(deployment_id)
        return asked

    def _stored(self) -> dict[str, _StoredDeployment]:
        """The stored deployments that are alive, by id."""
        rows = self.sync.stored.query(
            f"""
            select id, environment, created_at, state
            from raw.deployments
            left join (
                select deployment_id as id, arg_max(state, id::bigint) as state
                from raw.deployment_statuses where {ALIVE} group by deployment_id
            ) using (id)
            where repository_id = ? and {ALIVE}
            """,
            [self.repository.id],
        )
        return {row_id: _StoredDeployment(*values) for row_id, *values in rows}

    def _statuses(self, deployment_ids: list[str]) -> Iterator[Batch]:
        """All statuses of these deployments, a few deployments at once."""
        with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="github") as pool:
            try:
                for deployment_id, found in zip(
                    deployment_ids, pool.map(self._statuses_of, deployment_ids), strict=True
                ):
                    if found is None:
                        self.sync.found_all(Scan("deployments", {deployment_id}, are_gone=True))
                    statuses = found or []
                    yield Batch("deployment_statuses", [(self.repository.id, d, deployment_id) for d in statuses])
                    ids = {str(document.get("id")) for document in statuses}
                    self.sync.found_all(
                        Scan("deployment_statuses", ids, ("deployment_id",), [deployment_id], guarded=False)
                    )
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
        self.sync.stream("deployment_statuses").ended = "complete"

    def _statuses_of(self, deployment_id: str) -> list[Document] | None:
        """The statuses of one deployment; None when it no longer exists."""
        repository = self.repository
        try:
            return self.client.get_all(
                repository.path(f"/deployments/{deployment_id}/statuses"),
                repository.endpoint("/deployments/{deployment_id}/statuses"),
            )
        except NotFoundError:
            return None

    # ------------------------------------------------------------------- runs

    def workflow_runs(self) -> Iterator[Batch]:
        """Workflow runs. They are listed by creation and change later: they end, and are run again."""
        repository = self.repository
        if repository.is_full:
            start = max(as_datetime(repository.document.get("created_at")) or self.sync.first_day, self.sync.first_day)
            met: set[str] = set()
            for runs in self._between(start, self.now + timedelta(days=1)):
                met.update(str(run.get("id")) for run in runs)
                yield self._run_batch(runs)
            self._record_vanished(met)
        elif self.sync.window:
            for runs in self._between(repository.start - RERUNS, self.sync.window.end):
                yield self._run_batch([run for run in runs if repository.is_in_span(run, "updated_at")])
        else:
            yield from self._live_runs()
        if self.sync.stream("workflow_runs").ended == "not read":
            self.sync.stream("workflow_runs").ended = "complete"

    def _run_batch(self, runs: list[Document]) -> Batch:
        return Batch("workflow_runs", [(self.repository.id, run) for run in runs])

    def _live_runs(self) -> Iterator[Batch]:
        """The newest page; more pages where it does not reach back far enough; then other runs that had not ended."""
        repository = self.repository
        met: set[str] = set()
        due = self.sync.due(WORKFLOW_RUNS)
        start = self.now - RERUNS if due else repository.start
        newest = self.client.listing(
            repository.path("/actions/runs"),
            repository.endpoint("/actions/runs"),
            etag=repository.before.get("etags", {}).get("workflow_runs"),
            key="workflow_runs",
        )
        self.sync.stream("workflow_runs").pages += 1
        repository.after["etags"]["workflow_runs"] = newest.etag
        page = next(newest.pages(), [])
        met.update(str(run.get("id")) for run in page)
        yield self._run_batch(page)
        oldest = as_datetime(page[-1].get("created_at")) if page else None
        is_all = newest.total is not None and newest.total <= len(page)
        reaches = newest.unchanged or is_all or oldest is None or oldest < start
        if not reaches or (due and newest.unchanged and len(repository.stored_ids("workflow_runs")) > PAGE):
            for runs in self._between(start, self.now + timedelta(days=1)):
                others = [run for run in runs if str(run.get("id")) not in met]
                met.update(str(run.get("id")) for run in others)
                yield self._run_batch(others)
        yield from self._unfinished(met, is_unchanged=newest.unchanged)

    def _unfinished(self, met: set[str], *, is_unchanged: bool) -> Iterator[Batch]:
        """Stored runs that had not ended and were on no page, one by one."""
        stored = self.sync.stored.query(
            "select id from (select id, status, created_at from raw.workflow_runs where repository_id = ? "
            f"and {ALIVE} order by id::bigint desc offset ?) "
            "where status <> 'completed' and created_at > ?",
            [self.repository.id, PAGE if is_unchanged else 0, self.now - RERUNS],
        )
        for (run_id,) in stored:
            if run_id in met:
                continue
            try:
                below, template = f"/actions/runs/{run_id}", "/actions/runs/{run_id}"
                run = self.client.get(self.repository.path(below), self.repository.endpoint(template))
                yield self._run_batch([run])
            except NotFoundError:
                self.sync.found_all(Scan("workflow_runs", {run_id}, are_gone=True))

    def _between(self, start: datetime, end: datetime) -> Iterator[list[Document]]:
        """Every run created in a span; where GitHub lists fewer than it counts, from the halves of the span."""
        repository = self.repository
        span = f"{start:%Y-%m-%dT%H:%M:%SZ}..{end:%Y-%m-%dT%H:%M:%SZ}"
        listing = self.client.listing(
            repository.path("/actions/runs"),
            repository.endpoint("/actions/runs"),
            {"created": span},
            key="workflow_runs",
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
                f"GitHub counts {total} runs within one second and does not list them all",
                where=f"github workflow_runs of {repository.name}, {span}",
                next_step="nothing at first: the next pull reads the same span again. If it stays, report it as a bug.",
            )
        middle = (start + (end - start) / 2).replace(microsecond=0)
        yield from self._between(start, middle)
        yield from self._between(middle + timedelta(seconds=1), end)

    def _record_vanished(self, met: set[str]) -> None:
        """Record runs that were not listed: deleted, or unreachable where GitHub may have removed them by age."""
        repository = self.repository
        young = self.sync.stored.query(
            "select id from raw.workflow_runs where repository_id = ? and created_at > ?",
            [repository.id, self.now - RETENTION],
        )
        missing = repository.stored_ids("workflow_runs") - met
        deleted = missing & {row_id for (row_id,) in young}
        self.sync.found_all(Scan("workflow_runs", missing - deleted, are_gone=True, unreachable=True))
        repository.record_census("workflow_runs", met | (missing - deleted), met)
