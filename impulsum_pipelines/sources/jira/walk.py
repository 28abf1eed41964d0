"""Reads issues: first the ids in one quick walk, then the complete documents in parallel.

The vendor recommends this way (5,000 ids per page, then bulkfetch): the walk is short, so little can change during it,
and the same walk without a time bound is the census. The number of ids is compared with the site's own count, because
searches have ended early without an error.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import chain, islice
from typing import NamedTuple

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.jira.client import CHANGELOG_BATCH, ISSUE_BATCH, Document, JiraClient
from impulsum_pipelines.sources.jira.site import JiraSite

log = logging.getLogger(__name__)

#: Answers that are yielded together: dlt resolves its configuration again for each batch and table.
ANSWERS_PER_BATCH = 2
#: Projects in one search, so that the JQL stays short.
PROJECTS_PER_SEARCH = 100
#: A walk counts as ended early when it finds so many ids less than the site estimates: the estimate lags.
TOLERANCE_ROWS, TOLERANCE_SHARE = 2, 0.01


@dataclass
class IssueBatch:
    """Some issues, and complete changelogs.

    Args:
        issues: documents of issues.
        histories: (issue id, history) of complete changelogs, which may be of other issues.
        is_last: whether no batch follows, so that rows that wait for more are loaded.
    """

    issues: list[Document] = field(default_factory=list)
    histories: list[tuple[str, Document]] = field(default_factory=list)
    is_last: bool = False


class IssueSearch(NamedTuple):
    """What the searches for one JQL found.

    Args:
        ids: the ids that match.
        expected: the site's own estimate of how many match.
    """

    ids: list[str]
    expected: int


class JiraWalk:
    """Reads the issues of one sync."""

    def __init__(self, client: JiraClient, site: JiraSite, sync: Sync) -> None:
        self.client = client
        self.site = site
        self.sync = sync
        #: Whether unchanged issues are read, too: those that a census misses, or whose project is new. Known after
        #: :attr:`ids`.
        self.reads_unchanged = False

    # ------------------------------------------------------------------- ids

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the issues to read, each once: changed ones, those of refreshed sprints, and those a census misses."""
        if self.sync.is_first:  # reads everything: the walk is a census by itself
            return list(dict.fromkeys(self._census()))
        unread = self.site.unread if self.sync.window is None else []
        self.reads_unchanged = bool(unread)
        changed = dict.fromkeys(chain(self._changed(unread), self._of_sprints()))
        if not self.sync.census:
            return list(changed)
        unchanged = [issue_id for issue_id in self._missing() if issue_id not in changed]
        self.reads_unchanged |= bool(unchanged)
        return [*changed, *unchanged]

    def _changed(self, unread: Collection[str]) -> Iterator[str]:
        """Ids of the issues that changed since the lower bound; in unread projects, since the first day."""
        read = [str(project["id"]) for project in self.site.visible if str(project["id"]) not in unread]
        for projects, since in ((read, self.sync.since), (list(unread), self.sync.first_day)):
            for start in range(0, len(projects), PROJECTS_PER_SEARCH):
                scope = projects[start : start + PROJECTS_PER_SEARCH]
                yield from self._search(_jql(scope, since, self.sync.until)).ids

    def _of_sprints(self) -> Iterator[str]:
        """Issues of the refreshed sprints: those that are in one at the source, and those stored as being in one."""
        sprints = self.site.refreshed_sprints
        if not sprints:
            return
        projects = [str(project["id"]) for project in self.site.visible]
        for start in range(0, len(projects), PROJECTS_PER_SEARCH):
            scope = ", ".join(projects[start : start + PROJECTS_PER_SEARCH])
            yield from self._search(f"project in ({scope}) AND sprint in ({', '.join(sprints)})").ids
        stored = self.sync.stored.query(
            f"select id from raw.issues where list_has_any(sprint_ids::varchar[], ?) and {ALIVE}",
            [sprints],
        )
        yield from (issue_id for (issue_id,) in stored)

    def _missing(self) -> Iterator[str]:
        alive = self.sync.stored.ids("issues", settled=True)
        return (issue_id for issue_id in self._census() if issue_id not in alive)

    def _census(self) -> list[str]:
        """Every id of every visible project. Compares them with the stored ids, and records which of those are gone."""
        alive = self.sync.stored.ids("issues")
        walked = {
            str(project["id"]): self._search(_jql([str(project["id"])], self.sync.first_day, None))
            for project in self.site.visible
        }
        everywhere = dict.fromkeys(chain.from_iterable(search.ids for search in walked.values()))
        unlisted: dict[str, str] = {}
        if not self.sync.failures:  # a walk that ended early proves nothing about what it did not list
            unlisted = self._unlisted(walked, everywhere)
            # Issues that were moved to a project that is not read exist, and are unreachable.
            exist = [*everywhere, *unlisted]
            everywhere.update((issue_id, None) for issue_id, project in unlisted.items() if project in walked)
            hidden = self._hidden_projects(list(walked))
            for ids, scope, unreachable in (
                (exist, list(walked), False),
                (everywhere, list(walked), True),
                (everywhere, hidden, True),
            ):
                self.sync.found_all(Scan("issues", ids, parents=("project_id",), scope=scope, unreachable=unreachable))
        for project in self.site.visible:
            project_id = str(project["id"])
            ids, expected = walked[project_id]
            missing = sum(issue_id not in alive for issue_id in ids)
            at_source = len(ids) + sum(found == project_id for found in unlisted.values())
            self.sync.counts.append(
                CensusCount("issues", project_id, str(project["key"]), at_source, missing, expected)
            )
        return list(everywhere)

    def _unlisted(self, projects: Collection[str], listed: Collection[str]) -> dict[str, str]:
        """Stored issues of these projects that no search listed and that still exist: project id by issue id.

        A search may leave out a few issues without an error; a read by id finds every issue that exists.
        """
        stored = self.sync.stored.query(
            f"select id from raw.issues where list_contains(?::varchar[], project_id) and {ALIVE}",
            [list(projects)],
        )
        doubtful = sorted(issue_id for (issue_id,) in stored if issue_id not in listed)
        found: dict[str, str] = {}
        for start in range(0, len(doubtful), ISSUE_BATCH):
            found |= self.client.projects_of(doubtful[start : start + ISSUE_BATCH])
        if found:
            log.warning("The searches of the census left out %d issues that exist", len(found))
        return found

    def _hidden_projects(self, visible: Sequence[str]) -> list[str]:
        stored = self.sync.stored.query("select distinct project_id from raw.issues where project_id is not null")
        return [project_id for (project_id,) in stored if project_id not in visible]

    def _search(self, jql: str) -> IssueSearch:
        """Search for the ids that match; when the walk finds too few, once more."""
        stream = self.sync.stream("issues")
        found: dict[str, None] = {}
        for attempt in (1, 2):
            listed = self.client.search_ids(jql)
            stream.pages += listed.pages
            found.update(dict.fromkeys(listed.ids))
            expected = self.client.approximate_count(jql)
            if expected - len(found) <= max(TOLERANCE_ROWS, TOLERANCE_SHARE * expected):
                return IssueSearch(list(found), expected)
            log.warning("search %d found %d of about %d issues: %s", attempt, len(found), expected, jql)
        stream.ended = f"early: {len(found)} of about {expected} issues"
        self.sync.fail(
            ImpulsumError(
                Category.SOURCE_OUTAGE,
                f"The search ended early, twice: {len(found)} of about {expected} issues",
                where=f"jira issues, {jql}",
                safe="What was found is loaded; the watermark was not moved.",
                next_step="nothing at first: the next pull reads the same span again. If the error stays, the site may "
                "count issues that the account may not see (issue security).",
            )
        )
        return IssueSearch(list(found), expected)

    def with_old_worklogs(self, issues: Sequence[Document]) -> list[str]:
        """Ids of the issues whose older worklogs must be read: created before this live sync's span, not stored yet.

        Empty when the sync reads the worklogs of all ages anyway.
        """
        if self.sync.is_first or self.sync.window or self.reads_unchanged:
            return []
        older = [str(i["id"]) for i in issues if _has_older_work(i.get("fields") or {}, self.sync.since)]
        stored = self.sync.stored.query(
            f"select id from raw.issues where list_contains(?::varchar[], id) and {ALIVE} and {NOT_CUT_OFF}",
            [older],
        )
        return sorted(set(older) - {issue_id for (issue_id,) in stored})

    # ------------------------------------------------------------- documents

    def batches(self) -> Iterator[IssueBatch]:
        """The documents of all ids, fetched in parallel and yielded in order."""
        ids = [self.ids[i : i + ISSUE_BATCH] for i in range(0, len(self.ids), ISSUE_BATCH)]
        long: list[tuple[str, int]] = []
        done = 0
        answers = self._in_parallel(ids)
        while documents := list(chain.from_iterable(islice(answers, ANSWERS_PER_BATCH))):
            batch = IssueBatch(documents)
            for document in documents:
                changelog = document.get("changelog") or {}
                histories, total = changelog.get("histories"), changelog.get("total")
                issue_id = str(document.get("id"))
                # The inline changelog is cut at 40. It is used only when its total proves that it is complete.
                if histories is not None and total == len(histories):
                    batch.histories += [(issue_id, history) for history in histories]
                else:
                    long.append((issue_id, total or 0))
            yield batch
            done += len(documents)
            self.sync.report("issues", done, len(self.ids))
            while len(long) >= CHANGELOG_BATCH:
                yield IssueBatch(histories=self._histories(long[:CHANGELOG_BATCH]))
                del long[:CHANGELOG_BATCH]
        yield IssueBatch(histories=self._histories(long) if long else [], is_last=True)
        if done < len(self.ids):
            log.info("%d issues were deleted or hidden between the walk and the read", len(self.ids) - done)
        for name in ("issues", "changes", "comments", "links"):
            self.sync.stream(name).conclude()
        if self.sync.reads_all and not self.sync.failures:
            self.site.remember_read()

    def _in_parallel(self, batches: list[list[str]]) -> Iterator[list[Document]]:
        """Fetch batches with a few requests in flight; at most twice as many answers wait to be parsed."""
        with ThreadPoolExecutor(self.client.concurrency, thread_name_prefix="jira") as pool:
            waiting: deque[Future[list[Document]]] = deque()
            try:
                for batch in batches:
                    waiting.append(pool.submit(self.client.issues, batch))
                    if len(waiting) > self.client.concurrency:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _histories(self, issues: Sequence[tuple[str, int]]) -> list[tuple[str, Document]]:
        """Complete changelogs; when the bulk answer has too few histories of an issue, its changelog is read alone."""
        found = self.client.histories([issue_id for issue_id, _ in issues])
        for issue_id, total in issues:
            if len(found[issue_id]) < total:
                found[issue_id] = self.client.histories_of(issue_id)
        return [(issue_id, history) for issue_id, histories in found.items() for history in histories]


def _has_older_work(fields: Document, since: datetime) -> bool:
    """Whether an issue was created before that time, and has work logged on it."""
    created = as_datetime(fields.get("created"))
    return bool(fields.get("timespent")) and created is not None and created < since


def _jql(projects: Sequence[str], since: datetime, until: datetime | None) -> str:
    """JQL over whole projects and a span of change time.

    Times are epoch milliseconds: Jira would read a quoted literal in the zone of the account's profile. A live pull has
    no upper bound, which would hide issues that change while it runs.
    """
    jql = f"project in ({', '.join(projects)}) AND updated >= {int(since.timestamp() * 1000)}"
    return f"{jql} AND updated < {int(until.timestamp() * 1000)}" if until else jql
