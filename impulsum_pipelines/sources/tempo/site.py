"""What is true of the whole Tempo site during one sync: its teams, and the deletions in its audit log."""

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

#: Our tables by the names that the audit log uses.
AUDITED = {"worklog": t.WORKLOGS, "allocation": t.PLANS, "account": t.ACCOUNTS, "team": t.TEAMS}
#: The audit log is read this much further back than the changes, so that a line that is written late is not lost. It
#: costs no request.
AUDIT_OVERLAP = timedelta(days=1)
#: The name of the audit log among the streams of a sync.
AUDIT = "audit log"
#: In the memory of syncs: whether there may be deletions that no audit log showed us.
UNAUDITED = "unaudited"


class TempoSite:
    """One Tempo site during one sync. Making it reads the deletions since the last sync, or in a first sync the teams.

    Attributes:
        knows_deletions: whether the audit log showed every deletion since the first pull. Then rows that are missing
            without a line in the log are unreachable, not deleted.
    """

    def __init__(self, client: TempoClient, sync: Sync) -> None:
        self.client = client
        self.sync = sync
        self._deleted: list[Document] | None = None
        if sync.is_first:
            _ = self.teams
        else:
            self._deleted = self._read_audit()
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
        """Whether to compare every id: for a census, or when the audit log does not reach back to the last sync."""
        live = self.sync.window is None
        return live and not self.sync.is_first and (self.sync.census or self._too_old)

    def remember_audit(self) -> None:
        """Remember whether there may be deletions that no audit log showed us; a census finds those."""
        if self.sync.is_first:
            return
        if self._deleted is None and not self._too_old:
            self.sync.memory[UNAUDITED] = True
        elif self.takes_census:
            self.sync.memory[UNAUDITED] = False

    def deletions(self, table: Table) -> Scan:
        """The rows of a table that the audit log says are deleted."""
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

    @cached_property
    def _too_old(self) -> bool:
        return self.sync.stream(AUDIT).ended.startswith("too old")

    def _read_audit(self) -> list[Document] | None:
        """Deletions since the last sync, or within the window; None where the audit log does not show them."""
        sync, stream = self.sync, self.sync.stream(AUDIT)
        since = sync.since if sync.window else sync.since - AUDIT_OVERLAP
        try:
            found = list(self.client.deletions(list(AUDITED), since, sync.until))
        except ImpulsumError as error:
            if error.category is Category.PERMISSION:
                stream.ended = "not permitted: deletions are found by the census alone"
            elif error.category is Category.CONFIGURATION:  # the vendor's 400 for a time before its 180 days
                stream.ended = f"too old: it does not reach back to {since:%Y-%m-%d}"
            else:
                raise
            log.warning("Tempo's audit log: %s (%s)", stream.ended, error.what)
            return None
        if sync.until:
            found = [event for event in found if (as_datetime(event.get("timestamp")) or sync.until) < sync.until]
        stream.ended, stream.rows = "complete", len(found)
        return found
