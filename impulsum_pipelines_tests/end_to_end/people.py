"""A team that works in the sandbox's Jira, and the webhooks that Jira sends about its changes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.receiving import dropfiles

#: Minutes between two changes, on average: in the working day, and at any other time.
_BUSY, _QUIET = 25.0, 240.0


@dataclass
class People:
    """People who change issues; Jira sends a webhook for each change.

    Args:
        site: the sandbox.
        chance: random numbers that decide what they do and when.
        changes: number of changes so far.
        deleted: ids of the issues that they deleted.
        webhooks_arrive: called with the time of each change; whether its webhook arrives.
    """

    site: Running
    chance: random.Random
    webhooks_arrive: Callable[[datetime], bool]
    changes: int = 0
    deleted: set[str] = field(default_factory=set)
    _touched: dict[str, dict[str, Any]] = field(default_factory=dict)

    def moments(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The times of their changes."""
        at = start
        while True:
            busy = at.weekday() < 5 and 8 <= at.hour < 18
            at += timedelta(minutes=self.chance.expovariate(1 / (_BUSY if busy else _QUIET)))
            if at >= end:
                return
            yield at

    def change_something(self) -> None:
        """Change something at the source now, and send its webhook."""
        do = self.site.control
        issues = [issue for ids in do("ids").values() for issue in ids]
        issue, kind = self.chance.choice(issues), self.chance.random()
        if kind < 0.1:
            changed = do("create_issue", project=self.chance.choice(sorted(do("ids"))))
            self._send_webhook("jira:issue_created", changed)
        elif kind < 0.15 and self._touched:
            issue = self.chance.choice(sorted(self._touched))
            do("delete_issue", issue=issue)
            self.deleted.add(issue)
            self._send_webhook(
                "jira:issue_deleted", self._touched.pop(issue) | {"updated": datetime.now(UTC).isoformat()}
            )
        elif kind < 0.3:
            self._send_webhook("jira:issue_updated", do("estimate", issue=issue, value=kind * 100), changed="estimate")
        elif kind < 0.6:
            status = self.chance.choice(("To Do", "In Progress"))
            self._send_webhook("jira:issue_updated", do("transition", issue=issue, status=status), changed="status")
        else:
            self._send_webhook("jira:issue_updated", do("edit_issue", issue=issue, summary=f"Summary {self.changes}"))
        self.changes += 1

    def _send_webhook(self, what: str, issue: dict[str, Any], changed: str = "summary") -> None:
        if what != "jira:issue_deleted":
            self._touched[issue["id"]] = issue
        now = datetime.now(UTC)
        is_changed = datetime.fromisoformat(issue["updated"]) > now - timedelta(minutes=1)
        if not is_changed or not self.webhooks_arrive(now):
            return
        fields = {
            "summary": "The checkout",
            "status": {"name": "To Do", "statusCategory": {"key": "new"}},
            "priority": {"name": "Medium"},
            "project": {"key": issue["key"].split("-")[0]},
            "updated": issue["updated"],
        }
        body = {
            "timestamp": int(datetime.fromisoformat(issue["updated"]).timestamp() * 1000),
            "webhookEvent": what,
            "user": {"accountId": "5cf", "accountType": "atlassian", "displayName": "Ada"},
            "issue": {"id": issue["id"], "key": issue["key"], "fields": fields},
            "changelog": {"items": [{"field": changed, "fromString": "before", "toString": "after"}]},
        }
        home = Home.of(load_settings())
        dropfiles.write_dropfile(
            home, "jira", orjson.dumps(body), headers={}, delivery=f"change-{self.changes}", received_at=now
        )
