"""What is true of the whole Tempo during one sync: its teams, and what its audit log says is deleted."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from functools import cached_property

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Scan, Sync
from impulsum_pipelines.sources.base.table import Table
from impulsum_pipelines.sources.base.values import as_datetime
from impulsum_pipelines.sources.tempo import tables as t
from impulsum_pipelines.sources.tempo.client import TempoClient
from impulsum_pipelines.sources.tempo.rows import Document

log = logging.getLogger(__name__)

#: What the audit log calls the things that we hold.
AUDITED = {"worklog": t.WORKLOGS, "allocation": t.PLANS, "account": t.ACCOUNTS, "team": t.TEAMS}
#: How much further back than changes the audit log is read: a line that is written late is not lost, and it costs
#: no request.
AUDIT_OVERLAP = timedelta(days=1)
#: The name of the audit log among the streams of a sync.
AUDIT = "audit log"
#: In memory: deletions may have happened that no audit log told us of.
UNAUDITED = "unaudited"


class TempoSite:
    """One Tempo during one sync.

    Args:
        client: asks it.
        sync: the sync.
    """

    def __init__(self, client: TempoClient, sync: Sync) -> None:
        self.client = client
        self.sync = sync
        self._deleted: list[Document] | None = None
        if sync.is_first:
            _ = self.teams
        else:
            self._deleted = self._read_audit()
        #: Whether the audit log told of every deletion since the first pull: what else is missing is out of sight.
        self.knows_deletions = self._deleted is not None and not sync.memory.get(UNAUDITED)

    @cached_property
    def teams(self) -> list[Document]:
        """Every team that the token's user sees."""
        return [team for page in self.client.teams() for team in page]

    @cached_property
    def workload_schemes(self) -> list[Document] | None:
        """Every workload scheme; None where the token's user may not see them."""
        try:
            return [scheme for page in self.client.workload_schemes() for scheme in page]
        except ImpulsumError as error:
            if error.category is not Category.PERMISSION:
                raise
            for table in (t.WORKLOAD_SCHEMES, t.WORKLOAD_SCHEME_MEMBERS):
                self.sync.stream(table.name).ended = "not permitted"
            log.warning("Tempo's workload schemes are not read: %s", error.what)
            return None

    @property
    def takes_census(self) -> bool:
        """Whether to compare every id: when told to, and when the audit log does not reach back to the last sync."""
        live = self.sync.window is None
        return live and not self.sync.is_first and (self.sync.census or self._too_old)

    def remember_audit(self) -> None:
        """Note for later syncs whether deletions may have happened that nobody told of; a census settles them."""
        if self.sync.is_first:
            return
        if self._deleted is None and not self._too_old:
            self.sync.memory[UNAUDITED] = True
        elif self.takes_census:
            self.sync.memory[UNAUDITED] = False

    def deletions(self, table: Table) -> Scan:
        """What the audit log says is gone of a table."""
        ids = {
            str(event["entityId"])
            for event in self._deleted or ()
            if AUDITED.get(str(event.get("entityType"))) is table and "entityId" in event
        }
        return Scan(table.name, ids, are_gone=True)

    def deleted_since(self, at: datetime) -> bool:
        """Whether worklogs were deleted since an instant; True only when the audit log says so."""
        try:
            return any(True for _ in self.client.deletions(["worklog"], at))
        except ImpulsumError as error:
            if error.category not in {Category.PERMISSION, Category.CONFIGURATION}:
                raise
            return False

    # --------------------------------------------------------------- machinery

    @cached_property
    def _too_old(self) -> bool:
        return self.sync.stream(AUDIT).ended.startswith("too old")

    def _read_audit(self) -> list[Document] | None:
        """Deletions since the last sync, or within the window; None where the audit log cannot tell."""
        sync, stream = self.sync, self.sync.stream(AUDIT)
        since = sync.since if sync.window else sync.since - AUDIT_OVERLAP
        try:
            found = list(self.client.deletions(list(AUDITED), since, sync.until))
        except ImpulsumError as error:
            if error.category is Category.PERMISSION:
                stream.ended = "not permitted: deletions are found by the census alone"
            elif error.category is Category.CONFIGURATION:  # the vendor's 400 for what lies behind its 180 days
                stream.ended = f"too old: it does not reach back to {since:%Y-%m-%d}"
            else:
                raise
            log.warning("Tempo's audit log: %s (%s)", stream.ended, error.what)
            return None
        if sync.until:
            found = [event for event in found if (as_datetime(event.get("timestamp")) or sync.until) < sync.until]
        stream.ended, stream.rows = "complete", len(found)
        return found
