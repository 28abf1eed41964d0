"""The dlt source of Jira: a resource per table, and the client and the first read that it needs.

The only module of the source that imports dlt; what merely asks which tables there are does not.
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
from impulsum_pipelines.sources.jira.walk import IssueWalk, Page


def open_client(settings: Settings) -> JiraClient:
    """A client for the configured site."""
    return JiraClient(settings)


def begin(client: JiraClient, sync: Sync, settings: Settings) -> JiraSite:
    """The first read of a sync: proves that the account works, and reads the source's clock before any search."""
    site = JiraSite(client, sync, settings)
    sync.site = client.api.site
    _ = site.visible
    return site


@dlt.source(name="jira", max_table_nesting=0)
def build_source(client: JiraClient, sync: Sync, site: JiraSite) -> Any:
    """The dlt source of one sync: a resource per table, those of issues fed by one shared walk."""
    walk = IssueWalk(client, site, sync)
    return (*_reference(client, sync, site), *_of_issues(client, sync, site, walk))


def _of_issues(client: JiraClient, sync: Sync, site: JiraSite, walk: IssueWalk) -> tuple[Any, ...]:
    @dlt.resource(name="pages", selected=False)
    def pages() -> Iterator[Page]:
        yield from walk.pages()

    def of_pages(table: Table, name: str = "") -> Any:
        return dlt.transformer(data_from=pages, **{**hints(table, sync.held), "name": name or table.name})

    @of_pages(t.ISSUES)
    def issues(page: Page) -> Iterator[Any]:
        shape = partial(
            rows.issue,
            sprint_field=site.roles.get("sprint"),
            epic_field=site.roles.get("epic_link"),
            estimates=site.estimates,
        )
        yield from sync.changed_rows(t.ISSUES, sync.parse(t.ISSUES, shape, page.issues), more=not page.is_last)

    @of_pages(t.CHANGES)
    def changes(page: Page) -> Iterator[Any]:
        shaped = sync.parse(t.CHANGES, lambda pair: rows.change(*pair), page.histories)
        yield from sync.changed_rows(t.CHANGES, shaped, more=not page.is_last)

    @of_pages(t.COMMENTS)
    def comments(page: Page) -> Iterator[Any]:
        found = {issue_id: _comments(client, issue_id, inline) for issue_id, inline in _inline_comments(page)}
        pairs = [(issue_id, comment) for issue_id, listed in found.items() for comment in listed.visible]
        shaped = list(sync.parse(t.COMMENTS, lambda pair: rows.comment(*pair), pairs))
        yield from sync.changed_rows(t.COMMENTS, shaped, more=not page.is_last)
        ids = {row["id"] for row in shaped}
        for hidden in (False, True):
            scope = {issue_id for issue_id, listed in found.items() if listed.some_hidden is hidden}
            sync.found_all(Scan(t.COMMENTS.name, ids, ("issue_id",), scope, unreachable=hidden, guarded=False))

    @of_pages(t.LINKS)
    def links(page: Page) -> Iterator[Any]:
        nested = sync.parse(
            t.LINKS, lambda issue: {"rows": list(rows.links(str(issue["id"]), issue["fields"]))}, page.issues
        )
        shaped = [row for found in nested for row in found["rows"]]
        yield from sync.changed_rows(t.LINKS, shaped, shared=True, more=not page.is_last)
        scope = {str(issue.get("id")) for issue in page.issues}
        ends = ("source_issue_id", "target_issue_id")
        sync.found_all(Scan(t.LINKS.name, {row["id"] for row in shaped}, ends, scope, guarded=False))

    @of_pages(t.SPRINTS, name="sprints_of_issues")
    def sprints_of_issues(page: Page) -> Iterator[Any]:
        """Sprints that issues name and no board shows: boards get deleted, their sprints stay in the issues."""
        named = {
            str(sprint.get("id")): sprint
            for issue in page.issues
            for sprint in rows.sprints_of(issue.get("fields") or {}, site.roles.get("sprint"))
        }
        unlisted = [sprint for sprint_id, sprint in named.items() if sprint_id not in site.board_sprints]
        yield from sync.changed_rows(t.SPRINTS, sync.parse(t.SPRINTS, rows.sprint, unlisted), shared=True)

    @dlt.resource(**hints(t.WORKLOGS, sync.held))
    def worklogs() -> Iterator[Any]:
        yield from _worklogs(client, sync, walk)

    @of_pages(t.WORKLOGS, name="worklogs_of_issues")
    def worklogs_of_issues(page: Page) -> Iterator[Any]:
        """Worklogs of issues that came into sight by a change, say a move: the feed told of theirs long ago."""
        found = (worklog for issue_id in walk.came_by_change(page.issues) for worklog in client.worklogs_of(issue_id))
        yield from sync.changed_rows(t.WORKLOGS, sync.parse(t.WORKLOGS, rows.worklog, found), shared=True)

    return pages, issues, changes, comments, links, sprints_of_issues, worklogs, worklogs_of_issues


def _reference(client: JiraClient, sync: Sync, site: JiraSite) -> tuple[Any, ...]:
    @dlt.resource(**hints(t.SPRINTS, sync.held))
    def sprints() -> Iterator[Any]:
        unlisted = list(site.unlisted_sprints())
        alive = [*site.board_sprints.values(), *(s for s in unlisted if not s.get("gone"))]
        yield from sync.changed_rows(t.SPRINTS, sync.parse(t.SPRINTS, rows.sprint, alive), shared=True)
        gone = {sprint["id"] for sprint in unlisted if sprint.get("gone")}
        sync.found_all(Scan(t.SPRINTS.name, gone, are_gone=True))
        sync.stream(t.SPRINTS.name).ended = "complete"

    @dlt.resource(**hints(t.BOARDS, sync.held))
    def boards() -> Iterator[Any]:
        if sync.due(t.BOARDS):
            yield from sync.replace_table(t.BOARDS, site.boards)

    @dlt.resource(**hints(t.PROJECTS, sync.held))
    def projects() -> Iterator[Any]:
        yield from sync.replace_table(t.PROJECTS, sync.parse(t.PROJECTS, rows.project, site.visible), unreachable=True)

    @dlt.resource(**hints(t.FIELDS, sync.held))
    def fields() -> Iterator[Any]:
        if sync.due(t.FIELDS):
            _ = site.roles  # refuses a lost field before the table forgets that it had a role
            shaped = sync.parse(t.FIELDS, lambda document: rows.field(document, role_of(document)), site.fields)
            yield from sync.replace_table(t.FIELDS, shaped)

    @dlt.resource(**hints(t.USERS, sync.held))
    def users() -> Iterator[Any]:
        if sync.due(t.USERS):
            yield from sync.replace_table(t.USERS, sync.parse(t.USERS, rows.user, client.users()))

    @dlt.resource(**hints(t.STATUSES, sync.held))
    def statuses() -> Iterator[Any]:
        if sync.due(t.STATUSES):
            yield from sync.replace_table(t.STATUSES, sync.parse(t.STATUSES, rows.status, client.statuses()))

    @dlt.resource(**hints(t.VERSIONS, sync.held))
    def versions() -> Iterator[Any]:
        if sync.due(t.VERSIONS):
            found = (v for project in site.visible for v in client.versions(str(project["id"])))
            yield from sync.replace_table(t.VERSIONS, sync.parse(t.VERSIONS, rows.version, found))

    return projects, fields, statuses, users, versions, boards, sprints


@dataclass(frozen=True)
class _Comments:
    """The comments of an issue that the account sees, and whether there are some that it does not."""

    visible: list[Document]
    some_hidden: bool


def _inline_comments(page: Page) -> Iterator[tuple[str, Document]]:
    """Issue id and the field ``comment`` of the issues that have it: one that comes without it proves nothing."""
    for issue in page.issues:
        if inline := (issue.get("fields") or {}).get("comment"):
            yield str(issue.get("id")), inline


def _comments(client: JiraClient, issue_id: str, inline: Document) -> _Comments:
    """All comments of an issue. The inline list is cut at 20; ``total`` counts those that are restricted to others."""
    visible, total = inline.get("comments") or [], inline.get("total") or 0
    if len(visible) < total and total > INLINE_COMMENTS:
        visible = client.comments_of(issue_id)
    return _Comments(visible, len({comment.get("id") for comment in visible}) < total)


def _worklogs(client: JiraClient, sync: Sync, walk: IssueWalk) -> Iterator[Any]:
    """Worklogs by their own feed: editing one need not touch its issue. Only those of issues that we hold.

    Of issues that came into sight unchanged they may be of any age.
    """
    until = sync.until.timestamp() * 1000 if sync.until else float("inf")
    stream = sync.stream(t.WORKLOGS.name)
    issue_ids = set(walk.ids)
    since = sync.first_day if walk.came_into_sight else sync.since
    changed = [i for i, at in client.worklogs_changed(since, "updated") if at < until]
    for start in range(0, len(changed), WORKLOG_BATCH):
        shaped = list(sync.parse(t.WORKLOGS, rows.worklog, client.worklogs(changed[start : start + WORKLOG_BATCH])))
        others = {row["issue_id"] for row in shaped} - issue_ids
        issue_ids |= set(sync.held.hashes("issues", list(others)))
        yield from sync.changed_rows(t.WORKLOGS, [row for row in shaped if row["issue_id"] in issue_ids], shared=True)
        stream.pages += 1
        sync.report("worklogs", min(start + WORKLOG_BATCH, len(changed)), len(changed))
    deleted = [i for i, at in client.worklogs_changed(sync.since, "deleted") if at < until]
    sync.found_all(Scan(t.WORKLOGS.name, set(deleted), are_gone=True))
    stream.ended = "complete"
