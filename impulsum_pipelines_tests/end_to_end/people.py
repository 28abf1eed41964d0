"""A team that works in the sandbox's Jira, and the webhooks that Jira sends of it."""

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
    """Who change issues, each change with its webhook.

    Args:
        site: the sandbox.
        chance: decides what they do and when.
        changes: how many there were.
        deleted: ids of the issues that they deleted.
        webhooks_arrive: asked at each change whether its webhook does.
    """

    site: Running
    chance: random.Random
    webhooks_arrive: Callable[[datetime], bool]
    changes: int = 0
    deleted: set[str] = field(default_factory=set)
    _touched: dict[str, dict[str, Any]] = field(default_factory=dict)

    def moments(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """When they change something."""
        at = start
        while True:
            busy = at.weekday() < 5 and 8 <= at.hour < 18
            at += timedelta(minutes=self.chance.expovariate(1 / (_BUSY if busy else _QUIET)))
            if at >= end:
                return
            yield at

    def change_something(self) -> None:
        """One change at the source, now, and its webhook."""
        do = self.site.control
        issues = [issue for ids in do("ids").values() for issue in ids]
        issue, kind = self.chance.choice(issues), self.chance.random()
        if kind < 0.1:
            changed = do("create_issue", project=self.chance.choice(sorted(do("ids"))))
            self._tell("jira:issue_created", changed)
        elif kind < 0.15 and self._touched:
            issue = self.chance.choice(sorted(self._touched))
            do("delete_issue", issue=issue)
            self.deleted.add(issue)
            self._tell("jira:issue_deleted", self._touched.pop(issue) | {"updated": datetime.now(UTC).isoformat()})
        elif kind < 0.3:
            self._tell("jira:issue_updated", do("estimate", issue=issue, value=kind * 100), changed="estimate")
        elif kind < 0.6:
            status = self.chance.choice(("To Do", "In Progress"))
            self._tell("jira:issue_updated", do("transition", issue=issue, status=status), changed="status")
        else:
            self._tell("jira:issue_updated", do("edit_issue", issue=issue, summary=f"Said {self.changes}"))
        self.changes += 1

    def _tell(self, what: str, issue: dict[str, Any], changed: str = "summary") -> None:
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
