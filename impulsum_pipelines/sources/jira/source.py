"""The dlt source of Jira: one resource per table, its client, and the first read of a sync.

Only this module of the source imports dlt, so listing the tables does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import dlt

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.jira import rows
from impulsum_pipelines.sources.jira import tables as t
from impulsum_pipelines.sources.jira.client import INLINE_COMMENTS, WORKLOG_BATCH, Document, JiraClient
from impulsum_pipelines.sources.jira.site import JiraSite, role_of
from impulsum_pipelines.sources.jira.walk import IssueBatch, JiraWalk


def open_client(settings: Settings) -> JiraClient:
    """A client for the configured site."""
    return JiraClient(settings)


def begin(client: JiraClient, sync: Sync, settings: Settings) -> JiraSite:
    """Make the first read of a sync: check the account, and read the source's clock before any search."""
    site = JiraSite(client, sync, settings)
    sync.site = client.api.site
    _ = site.visible
    return site


@dlt.source(name="jira", max_table_nesting=0)
def build_source(client: JiraClient, sync: Sync, site: JiraSite) -> Any:
    """The dlt source of one sync: one resource per table; one walk feeds those that belong to issues."""
    walk = JiraWalk(client, site, sync)
    return (*_reference(client, sync, site), *_of_issues(client, sync, site, walk))


def _of_issues(client: JiraClient, sync: Sync, site: JiraSite, walk: JiraWalk) -> tuple[Any, ...]:
    @dlt.resource(name="batches", selected=False)
    def batches() -> Iterator[IssueBatch]:
        yield from walk.batches()

    def of_batches(table: Table, name: str = "") -> Any:
        return dlt.transformer(data_from=batches, **{**hints(table, sync.stored), "name": name or table.name})

    @of_batches(t.ISSUES)
    def issues(batch: IssueBatch) -> Iterator[Any]:
        to_row = partial(
            rows.issue,
            sprint_field=site.roles.get("sprint"),
            epic_field=site.roles.get("epic_link"),
            estimates=site.estimates,
        )
        yield from sync.changed_rows(t.ISSUES, sync.parse(t.ISSUES, to_row, batch.issues), more=not batch.is_last)

    @of_batches(t.CHANGES)
    def changes(batch: IssueBatch) -> Iterator[Any]:
        parsed = sync.parse(t.CHANGES, lambda pair: rows.change(*pair), batch.histories)
        yield from sync.changed_rows(t.CHANGES, parsed, more=not batch.is_last)

    @of_batches(t.COMMENTS)
    def comments(batch: IssueBatch) -> Iterator[Any]:
        found = {issue_id: _comments(client, issue_id, inline) for issue_id, inline in _inline_comments(batch)}
        pairs = [(issue_id, comment) for issue_id, listed in found.items() for comment in listed.visible]
        parsed = list(sync.parse(t.COMMENTS, lambda pair: rows.comment(*pair), pairs))
        yield from sync.changed_rows(t.COMMENTS, parsed, more=not batch.is_last)
        ids = {row["id"] for row in parsed}
        for hidden in (False, True):
            scope = {issue_id for issue_id, listed in found.items() if listed.some_hidden is hidden}
            sync.found_all(Scan(t.COMMENTS.name, ids, ("issue_id",), scope, unreachable=hidden, guarded=False))

    @of_batches(t.LINKS)
    def links(batch: IssueBatch) -> Iterator[Any]:
        nested = sync.parse(
            t.LINKS, lambda issue: {"rows": list(rows.links(str(issue["id"]), issue["fields"]))}, batch.issues
        )
        parsed = [row for found in nested for row in found["rows"]]
        yield from sync.changed_rows(t.LINKS, parsed, shared=True, more=not batch.is_last)
        scope = {str(issue.get("id")) for issue in batch.issues}
        ends = ("source_issue_id", "target_issue_id")
        sync.found_all(Scan(t.LINKS.name, {row["id"] for row in parsed}, ends, scope, guarded=False))

    @of_batches(t.SPRINTS, name="sprints_of_issues")
    def sprints_of_issues(batch: IssueBatch) -> Iterator[Any]:
        """Sprints that issues name and no board shows: when a board is deleted, its sprints stay in the issues."""
        named = {
            str(sprint.get("id")): sprint
            for issue in batch.issues
            for sprint in rows.sprints_of(issue.get("fields") or {}, site.roles.get("sprint"))
        }
        unlisted = [sprint for sprint_id, sprint in named.items() if sprint_id not in site.board_sprints]
        yield from sync.changed_rows(t.SPRINTS, sync.parse(t.SPRINTS, rows.sprint, unlisted), shared=True)

    @dlt.resource(**hints(t.WORKLOGS, sync.stored))
    def worklogs() -> Iterator[Any]:
        yield from _worklogs(client, sync, walk)

    @of_batches(t.WORKLOGS, name="worklogs_of_issues")
    def worklogs_of_issues(batch: IssueBatch) -> Iterator[Any]:
        """Worklogs of issues that a change made visible, such as a move: the feed listed theirs long ago."""
        found = (
            worklog for issue_id in walk.with_old_worklogs(batch.issues) for worklog in client.worklogs_of(issue_id)
        )
        yield from sync.changed_rows(t.WORKLOGS, sync.parse(t.WORKLOGS, rows.worklog, found), shared=True)

    return batches, issues, changes, comments, links, sprints_of_issues, worklogs, worklogs_of_issues


def _reference(client: JiraClient, sync: Sync, site: JiraSite) -> tuple[Any, ...]:
    @dlt.resource(**hints(t.SPRINTS, sync.stored))
    def sprints() -> Iterator[Any]:
        unlisted = list(site.unlisted_sprints())
        alive = [*site.board_sprints.values(), *(s for s in unlisted if not s.get("gone"))]
        yield from sync.changed_rows(t.SPRINTS, sync.parse(t.SPRINTS, rows.sprint, alive), shared=True)
        gone = {sprint["id"] for sprint in unlisted if sprint.get("gone")}
        sync.found_all(Scan(t.SPRINTS.name, gone, are_gone=True))
        sync.stream(t.SPRINTS.name).ended = "complete"

    @dlt.resource(**hints(t.BOARDS, sync.stored))
    def boards() -> Iterator[Any]:
        if sync.due(t.BOARDS):
            yield from sync.replace_table(t.BOARDS, site.boards)

    @dlt.resource(**hints(t.PROJECTS, sync.stored))
    def projects() -> Iterator[Any]:
        yield from sync.replace_table(t.PROJECTS, sync.parse(t.PROJECTS, rows.project, site.visible), unreachable=True)

    @dlt.resource(**hints(t.FIELDS, sync.stored))
    def fields() -> Iterator[Any]:
        if sync.due(t.FIELDS):
            _ = site.roles  # raises for a lost field before the table forgets its role
            parsed = sync.parse(t.FIELDS, lambda document: rows.field(document, role_of(document)), site.fields)
            yield from sync.replace_table(t.FIELDS, parsed)

    @dlt.resource(**hints(t.USERS, sync.stored))
    def users() -> Iterator[Any]:
        if sync.due(t.USERS):
            yield from sync.replace_table(t.USERS, sync.parse(t.USERS, rows.user, client.users()))

    @dlt.resource(**hints(t.STATUSES, sync.stored))
    def statuses() -> Iterator[Any]:
        if sync.due(t.STATUSES):
            yield from sync.replace_table(t.STATUSES, sync.parse(t.STATUSES, rows.status, client.statuses()))

    @dlt.resource(**hints(t.VERSIONS, sync.stored))
    def versions() -> Iterator[Any]:
        if sync.due(t.VERSIONS):
            found = (v for project in site.visible for v in client.versions(str(project["id"])))
            yield from sync.replace_table(t.VERSIONS, sync.parse(t.VERSIONS, rows.version, found))

    return projects, fields, statuses, users, versions, boards, sprints


@dataclass(frozen=True)
class _Comments:
    """The comments of an issue that the account sees, and whether there are others that it does not see."""

    visible: list[Document]
    some_hidden: bool


def _inline_comments(batch: IssueBatch) -> Iterator[tuple[str, Document]]:
    """(issue id, field ``comment``) of the issues that have it: without it nothing is known about comments."""
    for issue in batch.issues:
        if inline := (issue.get("fields") or {}).get("comment"):
            yield str(issue.get("id")), inline


def _comments(client: JiraClient, issue_id: str, inline: Document) -> _Comments:
    """All comments of an issue. The inline list is cut at 20; ``total`` also counts hidden comments."""
    visible, total = inline.get("comments") or [], inline.get("total") or 0
    if len(visible) < total and total > INLINE_COMMENTS:
        visible = client.comments_of(issue_id)
    return _Comments(visible, len({comment.get("id") for comment in visible}) < total)


def _worklogs(client: JiraClient, sync: Sync, walk: JiraWalk) -> Iterator[Any]:
    """Worklogs of stored issues, by their own feed: editing a worklog may leave its issue unchanged.

    When the walk reads unchanged issues, their worklogs may be of any age.
    """
    until = sync.until.timestamp() * 1000 if sync.until else float("inf")
    stream = sync.stream(t.WORKLOGS.name)
    issue_ids = set(walk.ids)
    since = sync.first_day if walk.reads_unchanged else sync.since
    changed = [i for i, at in client.worklogs_changed(since, "updated") if at < until]
    for start in range(0, len(changed), WORKLOG_BATCH):
        parsed = list(sync.parse(t.WORKLOGS, rows.worklog, client.worklogs(changed[start : start + WORKLOG_BATCH])))
        others = {row["issue_id"] for row in parsed} - issue_ids
        issue_ids |= set(sync.stored.hashes("issues", list(others)))
        yield from sync.changed_rows(t.WORKLOGS, [row for row in parsed if row["issue_id"] in issue_ids], shared=True)
        stream.pages += 1
        sync.report("worklogs", min(start + WORKLOG_BATCH, len(changed)), len(changed))
    deleted = [i for i, at in client.worklogs_changed(sync.since, "deleted") if at < until]
    sync.found_all(Scan(t.WORKLOGS.name, set(deleted), are_gone=True))
    stream.ended = "complete"
