"""Which issues to read, and reading them: ids first in one quick walk, then whole documents in parallel.

This is the vendor's recommended way (5,000 ids a page, then bulkfetch): the walk is short, so little can change
under it, and the same walk without a time bound is the census. The number of ids is held against the site's own
count, because a search has been seen to end early without a word.
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

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.base.table import ALIVE, NOT_CUT_OFF
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.jira.client import CHANGELOG_BATCH, ISSUE_BATCH, Document, JiraClient
from impulsum_pipelines.sources.jira.site import JiraSite

log = logging.getLogger(__name__)

#: Answers that are given on together: dlt resolves its configuration anew for each page and table.
ANSWERS_A_PAGE = 2
#: Projects named in one search: keeps the JQL short.
PROJECTS_A_SEARCH = 100
#: A walk may fall this far short of the site's estimate before it counts as ended early: the estimate lags.
TOLERANCE_ROWS, TOLERANCE_SHARE = 2, 0.01


@dataclass
class Page:
    """Some issues, and complete changelogs as (issue id, history). The two need not be of the same issues.

    The last page says so, that what was held back is given on.
    """

    issues: list[Document] = field(default_factory=list)
    histories: list[tuple[str, Document]] = field(default_factory=list)
    is_last: bool = False


class IssueWalk:
    """The issues of one sync."""

    def __init__(self, client: JiraClient, site: JiraSite, sync: Sync) -> None:
        self.client = client
        self.site = site
        self.sync = sync
        #: Whether issues are to be read though they did not change, which a census misses or whose project is new here;
        #: known with :attr:`ids`.
        self.came_into_sight = False

    # ------------------------------------------------------------------- ids

    @cached_property
    def ids(self) -> list[str]:
        """Ids of the issues to read, each once: those that changed, those to be read whole, those a census misses."""
        if self.sync.is_first:  # reads everything: the walk is a census by itself
            return list(dict.fromkeys(self._census()))
        unread = self.site.unread if self.sync.window is None else []
        self.came_into_sight = bool(unread)
        changed = dict.fromkeys(chain(self._changed(unread), self._of_sprints()))
        if not self.sync.census:
            return list(changed)
        unchanged = [issue_id for issue_id in self._missing() if issue_id not in changed]
        self.came_into_sight |= bool(unchanged)
        return [*changed, *unchanged]

    def _changed(self, unread: Collection[str]) -> Iterator[str]:
        """Ids of the issues that changed; of unread projects since the first day."""
        read = [str(project["id"]) for project in self.site.visible if str(project["id"]) not in unread]
        for projects, since in ((read, self.sync.since), (list(unread), self.sync.first_day)):
            for start in range(0, len(projects), PROJECTS_A_SEARCH):
                scope = projects[start : start + PROJECTS_A_SEARCH]
                yield from self._search(_jql(scope, since, self.sync.until))[0]

    def _of_sprints(self) -> Iterator[str]:
        """Issues of the sprints to be read whole: those that are in one at the source, and those held as being so."""
        sprints = self.site.deep_sprints
        if not sprints:
            return
        projects = [str(project["id"]) for project in self.site.visible]
        for start in range(0, len(projects), PROJECTS_A_SEARCH):
            scope = ", ".join(projects[start : start + PROJECTS_A_SEARCH])
            yield from self._search(f"project in ({scope}) AND sprint in ({', '.join(sprints)})")[0]
        held = self.sync.held.query(
            f"select id from raw.issues where list_has_any(sprint_ids::varchar[], ?) and {ALIVE}",
            [sprints],
        )
        yield from (issue_id for (issue_id,) in held)

    def _missing(self) -> Iterator[str]:
        alive = self.sync.held.ids("issues", settled=True)
        return (issue_id for issue_id in self._census() if issue_id not in alive)

    def _census(self) -> list[str]:
        """Every id of every visible project. Counts them against the ids held, and records what is gone as a scan."""
        alive = self.sync.held.ids("issues")
        walked = {
            str(project["id"]): self._search(_jql([str(project["id"])], self.sync.first_day, None))
            for project in self.site.visible
        }
        everywhere = dict.fromkeys(chain.from_iterable(ids for ids, _ in walked.values()))
        unlisted: dict[str, str] = {}
        if not self.sync.failures:  # a walk that ended early proves nothing about what it did not list
            unlisted = self._unlisted(walked, everywhere)
            # What was moved out of the projects that are read exists, and is out of sight.
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
            ids, approximate = walked[project_id]
            missing = sum(issue_id not in alive for issue_id in ids)
            at_source = len(ids) + sum(found == project_id for found in unlisted.values())
            self.sync.counts.append(
                CensusCount("issues", project_id, str(project["key"]), at_source, missing, approximate)
            )
        return list(everywhere)

    def _unlisted(self, projects: Collection[str], listed: Collection[str]) -> dict[str, str]:
        """Held issues of these projects that no search listed and that exist all the same, with their project.

        A search may leave out a few rows without a word; what is asked for by its id is answered if it exists.
        """
        held = self.sync.held.query(
            f"select id from raw.issues where list_contains(?::varchar[], project_id) and {ALIVE}",
            [list(projects)],
        )
        doubtful = sorted(issue_id for (issue_id,) in held if issue_id not in listed)
        found: dict[str, str] = {}
        for start in range(0, len(doubtful), ISSUE_BATCH):
            found |= self.client.projects_of(doubtful[start : start + ISSUE_BATCH])
        if found:
            log.warning("%d issues exist that the searches of the census did not list", len(found))
        return found

    def _hidden_projects(self, visible: Sequence[str]) -> list[str]:
        held = self.sync.held.query("select distinct project_id from raw.issues where project_id is not null")
        return [project_id for (project_id,) in held if project_id not in visible]

    def _search(self, jql: str) -> tuple[list[str], int]:
        """The ids that match and the site's own count. A walk that falls short is walked once more."""
        stream = self.sync.stream("issues")
        found: dict[str, None] = {}
        for attempt in (1, 2):
            walk = self.client.search_ids(jql)
            stream.pages += walk.pages
            found.update(dict.fromkeys(walk.ids))
            expected = self.client.approximate_count(jql)
            if expected - len(found) <= max(TOLERANCE_ROWS, TOLERANCE_SHARE * expected):
                return list(found), expected
            log.warning("search %d found %d of about %d issues: %s", attempt, len(found), expected, jql)
        stream.ended = f"early: {len(found)} of about {expected} issues"
        self.sync.fail(
            ImpulsumError(
                Category.SOURCE_OUTAGE,
                f"The search ended early, twice: {len(found)} of about {expected} issues",
                where=f"jira issues, {jql}",
                safe="What was found is loaded; the watermark was not moved.",
                next_step="nothing at first: the next pull reads the same span again. If it stays, the account may "
                "not see issues that the site counts (issue security).",
            )
        )
        return list(found), expected

    def came_by_change(self, issues: Sequence[Document]) -> list[str]:
        """Ids of the issues that are older than what this live sync reads, have work logged, and were not in sight.

        None where the worklogs of all ages are read anyway.
        """
        if self.sync.is_first or self.sync.window or self.came_into_sight:
            return []
        older = [str(i["id"]) for i in issues if _is_older(i.get("fields") or {}, self.sync.since)]
        held = self.sync.held.query(
            f"select id from raw.issues where list_contains(?::varchar[], id) and {ALIVE} and {NOT_CUT_OFF}",
            [older],
        )
        return sorted(set(older) - {issue_id for (issue_id,) in held})

    # ------------------------------------------------------------- documents

    def pages(self) -> Iterator[Page]:
        """The documents of all ids, fetched side by side and given in order."""
        batches = [self.ids[i : i + ISSUE_BATCH] for i in range(0, len(self.ids), ISSUE_BATCH)]
        long: list[tuple[str, int]] = []
        done = 0
        answers = self._side_by_side(batches)
        while documents := list(chain.from_iterable(islice(answers, ANSWERS_A_PAGE))):
            page = Page(documents)
            for document in documents:
                changelog = document.get("changelog") or {}
                histories, total = changelog.get("histories"), changelog.get("total")
                issue_id = str(document.get("id"))
                # The inline changelog is cut at 40. It is used only where it proves that it is whole.
                if histories is not None and total == len(histories):
                    page.histories += [(issue_id, history) for history in histories]
                else:
                    long.append((issue_id, total or 0))
            yield page
            done += len(documents)
            self.sync.report("issues", done, len(self.ids))
            while len(long) >= CHANGELOG_BATCH:
                yield Page(histories=self._histories(long[:CHANGELOG_BATCH]))
                del long[:CHANGELOG_BATCH]
        yield Page(histories=self._histories(long) if long else [], is_last=True)
        if done < len(self.ids):
            log.info("%d issues vanished between the walk and the read", len(self.ids) - done)
        for name in ("issues", "changes", "comments", "links"):
            self.sync.stream(name).conclude()
        if self.sync.reads_all and not self.sync.failures:
            self.site.all_read()

    def _side_by_side(self, batches: list[list[str]]) -> Iterator[list[Document]]:
        """Fetch batches with a few requests in flight; at most twice as many answers wait to be shaped."""
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
        """Complete changelogs; an issue for which the bulk answer falls short is asked for by itself."""
        found = self.client.histories([issue_id for issue_id, _ in issues])
        for issue_id, total in issues:
            if len(found[issue_id]) < total:
                found[issue_id] = self.client.histories_of(issue_id)
        return [(issue_id, history) for issue_id, histories in found.items() for history in histories]


def _is_older(fields: Document, since: datetime) -> bool:
    """Whether an issue was created before that time, and has work logged on it."""
    created = as_datetime(fields.get("created"))
    return bool(fields.get("timespent")) and created is not None and created < since


def _jql(projects: Sequence[str], since: datetime, until: datetime | None) -> str:
    """JQL over whole projects and a span of change time.

    Times are epoch milliseconds: a quoted literal would be read in the zone of the account's profile. A live pull
    has no upper bound, which would hide what changes while it runs.
    """
    jql = f"project in ({', '.join(projects)}) AND updated >= {int(since.timestamp() * 1000)}"
    return f"{jql} AND updated < {int(until.timestamp() * 1000)}" if until else jql
