"""The dlt source of Tempo: one resource per table, its client, and the first read of a sync.

Only this module of the source imports dlt, so listing the tables does not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import dlt

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.sources.base.hints import hints
from impulsum_pipelines.sources.base.sync import CensusCount, Scan, Sync
from impulsum_pipelines.sources.tempo import rows
from impulsum_pipelines.sources.tempo import tables as t
from impulsum_pipelines.sources.tempo.client import TempoClient
from impulsum_pipelines.sources.tempo.site import TempoSite
from impulsum_pipelines.sources.tempo.walk import TempoWalk

log = logging.getLogger(__name__)


def open_client(settings: Settings) -> TempoClient:
    """A client for the configured Tempo site."""
    return TempoClient(settings)


def begin(client: TempoClient, sync: Sync, settings: Settings) -> TempoSite:
    """Make the first read of a sync: check the token, and read the source's clock before any worklog.

    It costs no extra request: a sync needs the answer anyway (the deletions since the last sync, or in a first sync the
    teams).
    """
    sync.site = client.api.site
    return TempoSite(client, sync)


@dlt.source(name="tempo", max_table_nesting=0)
def build_source(client: TempoClient, sync: Sync, site: TempoSite) -> Any:
    """The dlt source of one sync: one resource per table."""

    @dlt.resource(**hints(t.WORKLOGS, sync.stored))
    def worklogs() -> Iterator[Any]:
        site.remember_audit()
        sync.found_all(site.deletions(t.WORKLOGS))
        yield from TempoWalk(client, site, sync).read()

    @dlt.resource(**hints(t.PLANS, sync.stored))
    def plans() -> Iterator[Any]:
        sync.found_all(site.deletions(t.PLANS))
        yield from _plans(client, sync, site)

    @dlt.resource(**hints(t.ACCOUNTS, sync.stored))
    def accounts() -> Iterator[Any]:
        sync.found_all(site.deletions(t.ACCOUNTS))
        if sync.due(t.ACCOUNTS):
            documents = (document for page in client.accounts() for document in page)
            # Archived accounts leave the list, as deleted ones do. The audit log shows the deleted ones.
            yield from sync.replace_table(t.ACCOUNTS, sync.parse(t.ACCOUNTS, rows.account, documents), unreachable=True)

    @dlt.resource(**hints(t.TEAMS, sync.stored))
    def teams() -> Iterator[Any]:
        sync.found_all(site.deletions(t.TEAMS))
        if sync.due(t.TEAMS):
            yield from sync.replace_table(t.TEAMS, sync.parse(t.TEAMS, rows.team, site.teams), unreachable=True)

    @dlt.resource(**hints(t.TEAM_MEMBERS, sync.stored))
    def team_members() -> Iterator[Any]:
        if sync.due(t.TEAM_MEMBERS):
            yield from _team_members(client, sync, site)

    @dlt.resource(**hints(t.WORKLOAD_SCHEMES, sync.stored))
    def workload_schemes() -> Iterator[Any]:
        if sync.due(t.WORKLOAD_SCHEMES) and (schemes := site.workload_schemes) is not None:
            yield from sync.replace_table(
                t.WORKLOAD_SCHEMES, sync.parse(t.WORKLOAD_SCHEMES, rows.workload_scheme, schemes)
            )

    @dlt.resource(**hints(t.WORKLOAD_SCHEME_MEMBERS, sync.stored))
    def workload_scheme_members() -> Iterator[Any]:
        if sync.due(t.WORKLOAD_SCHEME_MEMBERS) and (schemes := site.workload_schemes) is not None:
            pages = client.workload_scheme_members([scheme["id"] for scheme in schemes if "id" in scheme])
            documents = (document for page in pages for document in page)
            parsed = sync.parse(t.WORKLOAD_SCHEME_MEMBERS, rows.workload_scheme_member, documents)
            yield from sync.replace_table(t.WORKLOAD_SCHEME_MEMBERS, parsed)

    return worklogs, plans, accounts, teams, team_members, workload_schemes, workload_scheme_members


def _plans(client: TempoClient, sync: Sync, site: TempoSite) -> Iterator[Any]:
    """Plans that changed; all of them for a census. A Tempo site without the planner permits no plans."""
    stream = sync.stream(t.PLANS.name)
    everything = site.takes_census or sync.is_first
    found: set[str] = set()
    try:
        for page in client.plans(sync.first_day if everything else sync.since):
            stream.pages += 1
            parsed = [
                row
                for row in sync.parse(t.PLANS, rows.plan, page)
                if not sync.until or not row["updated_at"] or row["updated_at"] < sync.until
            ]
            found |= {row["id"] for row in parsed}
            yield from sync.changed_rows(t.PLANS, parsed, shared=True, more=True)
    except ImpulsumError as error:
        if error.category is not Category.PERMISSION:
            raise
        stream.ended = "not permitted"
        log.warning("Tempo's plans are not read: %s", error.what)
        return
    yield from sync.changed_rows(t.PLANS, [], shared=True)
    if everything:
        missing = len(found - sync.stored.ids(t.PLANS.name))
        sync.counts.append(CensusCount(t.PLANS.name, sync.site, "all", len(found), missing, column="site"))
        sync.found_all(Scan(t.PLANS.name, found, unreachable=site.knows_deletions))
    stream.ended = "complete"


def _team_members(client: TempoClient, sync: Sync, site: TempoSite) -> Iterator[Any]:
    """Memberships of the visible teams: missing ones were removed. Those of other teams become unreachable."""
    visible = [team["id"] for team in site.teams if "id" in team]
    documents = (document for page in client.memberships(visible) for document in page)
    parsed = list(sync.parse(t.TEAM_MEMBERS, rows.team_member, documents))
    yield from sync.changed_rows(t.TEAM_MEMBERS, parsed)
    found, scope = {row["id"] for row in parsed}, {str(number) for number in visible}
    stored = sync.stored.query("select distinct team_id from raw.team_members")
    hidden = {team for (team,) in stored if team not in scope}
    parents = ("team_id",)
    sync.found_all(Scan(t.TEAM_MEMBERS.name, found, parents=parents, scope=scope, guarded=False))
    sync.found_all(Scan(t.TEAM_MEMBERS.name, found, parents=parents, scope=hidden, unreachable=True))
    sync.stream(t.TEAM_MEMBERS.name).ended = "complete"
