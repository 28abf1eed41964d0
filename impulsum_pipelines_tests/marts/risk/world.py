"""A firm in New York with every kind of risk: new, long and worse, and over; and one project without any.

All is read on Thursday the 26th of March 2026 at 22:00 there, which is Friday at the Greenwich meridian. Working hours
are 9 to 17.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from impulsum_pipelines_tests.marts import world as firm
from impulsum_pipelines_tests.marts.world import Rows, hours, pull, review, user

ZONE = {"IMPULSUM_TIMEZONE": "America/New_York", "IMPULSUM_BUSINESS_HOURS": "9-17"}
TO_DO, DOING, DONE, BLOCKED = "1", "2", "3", "4"
SPRINT_FIELD, FLAG_FIELD, POINTS = "customfield_1", "customfield_2", "customfield_3"
ADA, BEN = "j-ada", "j-ben"


def ny(day: int, hour: int = 9, minute: int = 0, month: int = 3) -> datetime:
    """An instant of 2026, by the clock of New York."""
    return datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("America/New_York"))


NOW = ny(26, 22).astimezone(UTC)

Change = tuple[datetime, dict[str, Any]]


def status(to: str, was: str, when: datetime) -> Change:
    """A move from one status to another."""
    return when, {"field": "status", "fieldId": "status", "from": was, "to": to}


def moves(*steps: tuple[str, datetime]) -> list[Change]:
    """Moves through statuses, from the one to do."""
    before = [TO_DO, *(to for to, _ in steps)]
    return [status(to, was, when) for was, (to, when) in zip(before, steps, strict=False)]


def flag(when: datetime, *, on: bool = True) -> Change:
    """The issue flagged as an impediment, or no longer."""
    ids, names = ("", "[10019]"), ("", "Impediment")
    return when, {"field": "Flagged", "fieldId": FLAG_FIELD, "from": ids[not on], "fromString": names[not on],
                  "to": ids[on], "toString": names[on]}  # fmt: skip


def assigned(when: datetime, to: str) -> Change:
    """The issue assigned to somebody."""
    return when, {"field": "assignee", "fieldId": "assignee", "from": None, "to": to}


def priority(when: datetime, was: str, to: str) -> Change:
    """The priority changed."""
    return when, {"field": "priority", "fieldId": "priority", "from": "3", "fromString": was, "to": "1", "toString": to}


def due(when: datetime, was: date, to: date) -> Change:
    """The due date moved, as Jira writes it."""
    return when, {"field": "duedate", "fieldId": "duedate", "from": str(was), "fromString": f"{was} 00:00:00.0",
                  "to": str(to), "toString": f"{to} 00:00:00.0"}  # fmt: skip


def sprints(when: datetime, was: str, to: str) -> Change:
    """The Sprint field changed; it contains all present and past sprints of the issue."""
    return when, {"field": "Sprint", "fieldId": SPRINT_FIELD, "from": was, "to": to}


def waits_for(when: datetime, key: str) -> Change:
    """A link to the issue that this one waits for, made from this issue."""
    return when, {"field": "Link", "from": None, "to": key, "toString": f"This issue is blocked by {key}"}


class Site:
    """Collects the rows of Jira."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"issues": [], "changes": [], "links": []}

    def issue(self, key: str, *history: Change | list[Change], points: float | None = None, **more: Any) -> None:
        """An issue with its history; a value that the history changes is the current value too."""
        project, number = key.split("-")
        changes = sorted(
            (step for one in history for step in (one if isinstance(one, list) else [one])), key=lambda step: step[0]
        )
        last = {item["field"]: item for _, item in changes}
        state = last.get("status", {"to": more.pop("status_id", TO_DO)})["to"]
        fields = more.pop("fields", {})
        if last.get("Flagged", {}).get("to"):
            fields |= {FLAG_FIELD: [{"value": "Impediment"}]}
        current: dict[str, Any] = {}
        if "Sprint" in last:
            current["sprint_ids"] = json.dumps([one for one in last["Sprint"]["to"].split(", ") if one])
        if "assignee" in last:
            current["assignee_id"] = last["assignee"]["to"]
        if "priority" in last:
            current["priority"] = last["priority"]["toString"]
        if "duedate" in last:
            current["due_date"] = date.fromisoformat(last["duedate"]["to"])
        self.rows["issues"].append(
            firm.issue(key, key)
            | {
                "project_id": f"p-{project}", "created_at": ny(2), "status_id": state,
                "status_name": STATUSES[state][0], "status_category": STATUSES[state][1],
                "updated_at": changes[-1][0] if changes else ny(2),
                "payload": json.dumps({"fields": fields | {POINTS: points}}),
                "change_total": len(changes),
            }
            | current | more
        )  # fmt: skip
        self.rows["changes"] += [
            {"id": f"{project}{number}{place}", "issue_id": key, "author_id": ADA, "created_at": when,
             "payload": json.dumps({"items": [item]})}
            for place, (when, item) in enumerate(changes)
        ]  # fmt: skip

    def link(self, number: str, blocker: str, blocked: str, **more: Any) -> None:
        """One issue blocks another."""
        self.rows["links"].append(
            {"id": number, "type": "Blocks", "outward": "blocks", "source_issue_id": blocker,
             "target_issue_id": blocked, "payload": '{"type": {"inward": "is blocked by"}}'} | more
        )  # fmt: skip


STATUSES = {TO_DO: ("To Do", "new"), DOING: ("In Progress", "indeterminate"), DONE: ("Done", "done"),
            BLOCKED: ("Blocked by vendor", "indeterminate")}  # fmt: skip


def sprint(id: str, board: str, state: str, start: datetime, end: datetime) -> dict[str, Any]:
    """A sprint; a closed one was completed as planned."""
    return {"id": id, "name": f"Sprint {id}", "board_id": board, "state": state, "start_at": start, "end_at": end,
            "complete_at": end if state == "closed" else None}  # fmt: skip


def reference() -> dict[str, list[dict[str, Any]]]:
    """Statuses, fields, people, projects, boards and sprints."""
    boards = {"1": "APP", "2": "EXACT", "3": "GROWN", "4": "EMPTY", "5": "ENDED", "6": "COUNTED", "7": "SHRUNK",
              "8": "QUIET"}  # fmt: skip
    columns = [{"name": name, "status_ids": [key]} for key, (name, _) in STATUSES.items() if key != DONE]
    return {
        "statuses": [{"id": key, "name": name, "category": kind} for key, (name, kind) in STATUSES.items()],
        "fields": [
            {"id": SPRINT_FIELD, "name": "Sprint", "role": "sprint"},
            {"id": FLAG_FIELD, "name": "Flagged", "role": None},
            {"id": POINTS, "name": "Story Points", "role": "story_points"},
        ],
        "users": [user(ADA, "Ada", None), user(BEN, "Ben", None)],
        "projects": [{"id": f"p-{key}", "key": key, "name": key} for key in [*boards.values(), "FLOW", "NEW"]],
        "boards": [
            {"id": board, "name": f"{key} board", "type": "scrum", "project_id": f"p-{key}",
             "estimation_type": "issueCount" if board in "16" else "field",
             "estimation_field_id": None if board in "16" else POINTS,
             "columns": json.dumps([*columns, {"name": "Done", "status_ids": [DONE]}]),
             "done_status_ids": json.dumps([DONE])}
            for board, key in boards.items()
        ],
        "sprints": [
            sprint("10", "1", "closed", ny(2, month=2), ny(12, 17, month=2)),
            sprint("11", "1", "closed", ny(13, month=2), ny(27, 17, month=2)),
            sprint("12", "1", "closed", ny(2), ny(13, 17)),
            sprint("13", "1", "active", ny(16), ny(27, 17)),
            *(sprint(f"{board}0", board, "active", ny(16), ny(27, 17)) for board in "234678"),
            sprint("50", "5", "closed", ny(9), ny(20, 17)),
        ],
    }  # fmt: skip


def _blocked(site: Site) -> None:
    site.issue("APP-1", flag(ny(26, 15)))
    site.issue("APP-2", moves((BLOCKED, ny(23))))
    site.issue("APP-3", waits_for(ny(25), "APP-4"), sprint_ids='["13"]', created_at=ny(13))
    site.issue("APP-4")
    site.link("l1", "APP-4", "APP-3")
    site.issue("APP-5", waits_for(ny(23), "APP-6"))
    site.issue("APP-6", moves((DONE, ny(24, 12))))
    site.link("l2", "APP-6", "APP-5")
    site.issue("APP-7", flag(ny(16)), flag(ny(16, 17), on=False), flag(ny(25)))
    site.issue("APP-8", flag(ny(16)), moves((DONE, ny(17))))
    # no history has this link, and the blocker of the other was deleted
    site.issue("APP-9")
    site.link("l3", "APP-4", "APP-9", extracted_at=ny(26, 12))
    site.issue("APP-10")
    site.issue("APP-11", deleted_at=ny(24))
    site.link("l4", "APP-11", "APP-10", extracted_at=ny(23))
    site.issue("APP-12", flag(ny(12, month=2)), flag(ny(13, month=2), on=False), created_at=ny(2, month=2))
    # flagged at its creation, which no history has; and related to an open issue
    site.issue("APP-13", fields={FLAG_FIELD: [{"value": "Impediment"}]}, created_at=ny(26, 16))
    site.link("l5", "APP-4", "APP-6", type="Relates", outward="relates to")


def _overdue(site: Site) -> None:
    site.issue("APP-20", due_date=date(2026, 3, 25))
    site.issue("APP-21", due_date=date(2026, 3, 20))
    site.issue("APP-22", due_date=date(2026, 3, 26))  # not over yet in New York
    site.issue("APP-23", moves((DONE, ny(24, 12))), due_date=date(2026, 3, 20))
    site.issue("APP-24", due(ny(12), date(2026, 3, 10), date(2026, 4, 10)))
    site.issue("APP-25", moves((DONE, ny(9)), (TO_DO, ny(24, 10))), due_date=date(2026, 3, 10))
    site.issue("APP-26", due_date=date(2026, 3, 20), unreachable_since=ny(23, 12))
    site.issue("APP-27", due(ny(18), date(2026, 3, 12), date(2026, 3, 16)))  # from one day past to another
    site.issue("APP-28", due_date=date(2026, 3, 20), updated_at=ny(23, month=2))  # forgotten


def _ageing(site: Site) -> None:
    """The 85th percentile of one to ten days is 8.65 days."""
    for days in range(1, 11):
        begun = ny(9, month=2) - timedelta(days=days)  # no clock is changed in winter
        site.issue(f"FLOW-{days}", moves((DOING, begun), (DONE, ny(9, month=2))), created_at=ny(5, month=1))
    site.issue("FLOW-20", moves((DOING, NOW - timedelta(days=8.65))))
    site.issue("FLOW-21", moves((DOING, NOW - timedelta(days=9))))
    site.issue("FLOW-22", moves((DOING, NOW - timedelta(days=20))))
    site.issue("FLOW-23", moves((DOING, NOW - timedelta(days=12)), (DONE, NOW - timedelta(days=2))))
    site.issue("FLOW-24", moves((DOING, ny(14)), (TO_DO, ny(20)), (DOING, NOW - timedelta(days=2))))
    site.issue("FLOW-25", moves((DOING, NOW - timedelta(days=10))), issue_type="Bug", parent_id="FLOW-26")
    site.issue("FLOW-26", moves((DOING, ny(3))), issue_type="Epic")
    site.issue("NEW-1", moves((DOING, ny(3))))


def _carried_over(site: Site) -> None:
    def through(key: str, *history: Change, since: str = "11") -> None:
        been = ["10", "11", "12", "13"]
        been = been[been.index(since) :]
        # carried over in the hour of each close
        ends = {"11": ny(12, 17, 30, month=2), "12": ny(27, 17, 30, month=2), "13": ny(13, 17, 30)}
        carried = [
            sprints(ends[been[step]], ", ".join(been[:step]), ", ".join(been[: step + 1]))
            for step in range(1, len(been))
        ]
        site.issue(key, carried, *history, created_at=ny(2, 8, month=2))

    through("APP-30")
    through("APP-31", since="10")
    through("APP-32", *moves((DONE, ny(18))))
    through("APP-33", *moves((DOING, ny(3)), (DONE, ny(5)), (TO_DO, ny(13, 20))))  # done in time, then reopened
    through("APP-34", since="12")


def _unassigned(site: Site) -> None:
    site.issue("APP-40", priority="High", sprint_ids='["13"]', created_at=ny(26, 10))
    site.issue("APP-41", priority="Highest", created_at=ny(23))
    site.issue("APP-42", assigned(ny(24), ADA), priority="High", created_at=ny(23))
    site.issue("APP-43", priority(ny(25), "Medium", "Critical"))
    site.issue("APP-44", priority="high")
    site.issue("APP-45", priority="Highest", assignee_id=BEN)
    site.issue("APP-46", priority="Medium")


def _scope(site: Site) -> None:
    def planned(project: str, points: list[float | None], late: list[float | None], board: str) -> None:
        for number, value in enumerate(points):
            site.issue(f"{project}-{number}", points=value, sprint_ids=f'["{board}0"]', created_at=ny(3))
        for number, value in enumerate(late, len(points)):
            site.issue(f"{project}-{number}", sprints(ny(18, 12), "", f"{board}0"), points=value, created_at=ny(3))

    planned("EXACT", [8, 12], [5], "2")
    planned("GROWN", [8], [3], "3")
    planned("EMPTY", [], [5, 5], "4")
    planned("ENDED", [5], [3, 2], "5")
    planned("COUNTED", [None, None], [None], "6")
    planned("SHRUNK", [8], [], "7")
    site.issue("SHRUNK-9", sprints(ny(18), "", "70"), sprints(ny(19), "70", ""), points=8)


def _hours(site: Site) -> list[dict[str, Any]]:
    for key, day in (("APP-50", 20), ("APP-51", 20), ("APP-52", 20), ("APP-53", 2), ("APP-54", 20)):
        site.issue(key, moves((DONE, ny(day, 11))), created_at=ny(2, month=2))
    site.issue("APP-55", moves((DONE, ny(10)), (TO_DO, ny(16))))
    entries = [
        hours("1", "APP-50", ADA, 3 * 3600, 23) | {"created_at": ny(24)},
        hours("2", "APP-51", ADA, 6 * 3600, 23),
        hours("3", "APP-51", BEN, 4 * 3600, 24),
        hours("4", "APP-52", ADA, 3600, 20),  # on the day on which it was done
        hours("5", "APP-53", ADA, 3600, 5) | {"created_at": ny(5, 18)},
        hours("6", "APP-54", ADA, 3600, 23) | {"created_at": ny(23, 18), "deleted_at": ny(25, 12)},
        hours("7", "APP-55", ADA, 3600, 12) | {"created_at": ny(12, 18)},
    ]
    site.rows["worklogs"] = [
        {"id": "w1", "issue_id": "APP-50", "author_id": ADA, "time_spent_seconds": 5 * 3600, "started_at": ny(23),
         "created_at": ny(24), "updated_at": ny(24)}
    ]  # fmt: skip
    return entries


def _quiet(site: Site) -> None:
    calm = {"assignee_id": ADA, "sprint_ids": '["80"]', "due_date": date(2026, 3, 27)}
    site.issue("QUIET-1", moves((DOING, ny(25))), priority="Highest", points=8, **calm)
    site.issue("QUIET-2", moves((DOING, ny(17)), (DONE, ny(19))), priority="High", points=3, **calm)
    site.issue("QUIET-3", sprints(ny(18), "", "80"), points=1, assignee_id=BEN)
    site.link("q1", "QUIET-2", "QUIET-1")


def _pulls() -> dict[str, list[dict[str, Any]]]:
    def opened(number: int, when: datetime, author: str = "ada-codes", **more: Any) -> dict[str, Any]:
        return pull(number, author, created_at=when, updated_at=more.pop("updated_at", when), **more)

    return {
        "repositories": [
            {"id": "7", "full_name": "firm/app", "is_archived": False},
            {"id": "8", "full_name": "firm/old", "is_archived": True},
        ],
        "pull_requests": [
            opened(1, ny(26)),
            opened(2, ny(24)),
            opened(3, ny(23)),
            opened(4, ny(16), is_draft=True),
            opened(5, ny(16), "helper[bot]", is_bot=True),
            opened(6, ny(25)),
            opened(7, ny(26, 12)),
            opened(8, ny(20, 16), state="closed", merged_at=ny(23, 10), closed_at=ny(23, 10)),
            opened(9, ny(16), repository_id="8"),
        ],
        "reviews": [
            review("r1", 3, "ben-codes", ny(25, 10), "COMMENTED"),
            review("r2", 6, "helper[bot]", ny(25, 10), "COMMENTED"),
            review("r3", 6, "ada-codes", ny(25, 11), "COMMENTED"),
        ],
    }


def risky() -> Rows:
    """Every row of the firm, by source and table."""
    site = Site()
    for plant in (_blocked, _overdue, _ageing, _carried_over, _unassigned, _scope, _quiet):
        plant(site)
    tempo = {
        "worklogs": _hours(site),
        "teams": [{"id": "t1", "name": "Team Ada"}],
        "team_members": [{"id": "m1", "team_id": "t1", "member_id": ADA}],
    }
    rows: Rows = {"tempo": tempo, "github": _pulls(), "jira": site.rows | reference()}
    for tables in rows.values():
        for given in tables.values():
            given[:] = [{"extracted_at": NOW} | row for row in given]
    return rows
