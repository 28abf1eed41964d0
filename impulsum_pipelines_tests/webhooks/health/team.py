"""A simulated team: its changes in Jira, the pulls that read them, and webhooks that a test sends or withholds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import orjson
import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.ops.schema import alerts, events, missed_ranges, pulled_changes
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.events.inbox import process_inbox
from impulsum_pipelines.webhooks.health.check import HealthCheckResult, check
from impulsum_pipelines.webhooks.receiving import dropfiles

BY_NAME = {source.name: source for source in SOURCES}


def arrive(source: str, body: Mapping[str, Any], at: datetime, headers: Mapping[str, str] | None = None) -> None:
    """Put a delivery into the inbox."""
    home = Home.of(load_settings())
    dropfiles.write_dropfile(home, source, orjson.dumps(body), headers=headers or {}, received_at=at)


def commit() -> None:
    """Process the inbox."""
    process_inbox(load_settings())


class Team:
    """People who change issues one at a time; time only passes in ``wait``."""

    def __init__(self) -> None:
        self.edits = 0

    @property
    def now(self) -> datetime:
        raise NotImplementedError

    def wait(self, minutes: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    def change(self) -> dict[str, Any]:
        """Edit an issue; its id, key and time of change."""
        raise NotImplementedError

    def pull(self, **options: Any) -> None:
        """Pull Jira."""
        raise NotImplementedError

    def edit(self, *, delivered: bool) -> dict[str, Any]:
        """Edit an issue, and deliver its webhook or not."""
        self.edits += 1
        change = self.change()
        if delivered:
            self.deliver(change)
        return change

    def work(self, changes: int, *, delivered: bool) -> list[dict[str, Any]]:
        """Edit several issues, one every three minutes."""
        made = []
        for _ in range(changes):
            made.append(self.edit(delivered=delivered))
            self.wait(3)
        return made

    def deliver(self, change: Mapping[str, Any], kind: str = "jira:issue_updated") -> None:
        """The webhook of a change arrives now and is committed."""
        self.send(change, kind)
        commit()

    def send(self, change: Mapping[str, Any], kind: str = "jira:issue_updated") -> None:
        """The webhook of a change arrives now and waits in the inbox."""
        body = {
            "timestamp": round(datetime.fromisoformat(change["updated"]).timestamp() * 1000),
            "webhookEvent": kind,
            "issue": {"id": change["id"], "key": change["key"], "fields": {"priority": {"name": "Medium"}}},
            "changelog": {"items": [{"field": "summary", "fromString": "Old", "toString": f"New, {self.edits}"}]},
        }
        arrive("jira", body, self.now)

    def pull_and_check(self, **options: Any) -> HealthCheckResult:
        """Pull, then check the webhook health."""
        self.pull(**options)
        checked = check(load_settings(), BY_NAME["jira"], at=self.now)
        assert checked is not None
        return checked


class SandboxTeam(Team):
    """A team at a sandbox site, which is pulled over HTTP."""

    def __init__(self, site: Running) -> None:
        super().__init__()
        self.site = site
        site.control("clock", freeze=True)
        self.ids = next(iter(site.control("ids").values()))

    @property
    def now(self) -> datetime:
        return datetime.fromisoformat(self.site.control("clock")["now"])

    def wait(self, minutes: float) -> None:
        self.site.control("clock", advance_seconds=minutes * 60)

    def change(self) -> dict[str, Any]:
        issue = self.ids[self.edits % len(self.ids)]
        return dict(self.site.control("edit_issue", issue=issue, summary=f"New, {self.edits}"))

    def pull(self, **options: Any) -> None:
        run_load("jira", load_settings(), **options)


class RawFileTeam(Team):
    """A team without a site: its pulls are written straight into the raw file, as loads would leave it."""

    def __init__(self, start: datetime) -> None:
        super().__init__()
        self.at = start
        self.project = "ABC"
        self.changed: dict[str, dict[str, Any]] = {}
        self.pulls = 0

    @property
    def now(self) -> datetime:
        return self.at

    def wait(self, minutes: float) -> None:
        self.at += timedelta(minutes=minutes)

    def change(self) -> dict[str, Any]:
        return self.change_again(self.edits)

    def change_again(self, number: int) -> dict[str, Any]:
        """Edit the issue with this number."""
        key = f"{self.project}-{number}"
        self.changed[key] = {"id": f"{self.project}{number}", "key": key, "updated": self.at.isoformat()}
        return self.changed[key]

    def pull(self, **options: Any) -> None:
        assert not options
        self.pulls += 1
        sync_id, home = f"sync-{self.pulls}", Home.of(load_settings())
        ensure_tables(home, "jira")
        with home.write_raw("jira") as raw:
            raw.execute(
                "insert into raw.syncs (sync_id, mode, status, started_at, watermark_to) "
                "values (?, 'live', 'done', ?, ?)",
                [sync_id, self.at, self.at],
            )
            for change in self.changed.values():
                raw.execute("delete from raw.issues where id = ?", [change["id"]])
                raw.execute(
                    "insert into raw.issues (id, key, project_key, updated_at, sync_id, extracted_at) "
                    "values (?, ?, ?, ?, ?, ?)",
                    [change["id"], change["key"], self.project, change["updated"], sync_id, self.at],
                )
        self.changed.clear()


def rows(table: sa.Table, *names: str) -> list[tuple[Any, ...]]:
    """Columns of a table of the ops store, in the order of writing."""
    with transaction(load_settings()) as connection:
        columns = [table.c[name] for name in names]
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.c.id))]


def outcomes() -> Counter[str]:
    """The number of pulled changes by outcome."""
    return Counter(outcome for (outcome,) in rows(pulled_changes, "outcome"))


def seen_by() -> list[str | None]:
    """The sync that has shown each event."""
    return [sync_id for (sync_id,) in rows(events, "seen_by")]


def webhook_alerts() -> list[tuple[str, str, str]]:
    """State, title and detail of each alert about webhooks."""
    found = rows(alerts, "kind", "state", "title", "detail")
    return [(state, title, detail) for kind, state, title, detail in found if kind == "webhooks"]


def ranges() -> list[tuple[Any, ...]]:
    """What, status and number of changes of each missed range."""
    return rows(missed_ranges, "what", "status", "changes")
