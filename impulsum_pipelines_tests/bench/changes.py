"""Ten typical changes at each service of the sandbox, and the requests that they must cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from impulsum_pipelines.sandbox.server import Running


def jira(site: Running) -> int:
    """Seven issues and a worklog: one bulk fetch, and one list of worklogs."""
    keys = [issue for issues in site.control("ids").values() for issue in issues]
    for issue in keys[:4]:
        site.control("edit_issue", issue=issue, summary="Said better")
    for issue in keys[4:6]:
        site.control("transition", issue=issue, status="In Progress")
    for issue in keys[:2]:
        site.control("add_comment", issue=issue, text="See above")
    site.control("add_worklog", issue=keys[0])
    site.control("create_issue", project=next(iter(site.control("ids"))))
    return 2


def github(site: Running) -> int:
    """Three pull requests cost three each, a push the list of commits, a deployment its statuses.

    When nothing changed in a repository since its pull requests were listed, that list is not requested.
    """
    do = _at(site, "github")
    reviewed = do("pull_requests")["pull_requests"][0]
    made = [do("open_pull_request", title=f"ATLAS-{number} A change")["number"] for number in (1, 2)]
    for number in made:
        do("comment", number=number)
    do("review", number=reviewed["number"], repository=reviewed["repository"])
    do("create_issue", title="It broke")
    do("push")
    do("release")
    do("deploy")
    do("run_workflow")
    return 3 * 3 + 1 + 1


def slack(site: Running) -> int:
    """Messages come with their channel; each of the three threads with replies costs a request."""
    do = _at(site, "slack")
    posted = [do("post", channel="team-atlas", text=f"News {number}")["ts"] for number in range(4)]
    for thread in posted[:3]:
        do("reply", channel="team-atlas", thread=thread)
    do("edit", channel="team-atlas", ts=posted[3])
    do("react", channel="team-atlas", ts=posted[2])
    do("delete", channel="team-atlas", ts=posted[3])
    return 3


def fireflies(site: Running) -> int:
    """Eight meetings, read completely, five per request; two deleted ones, requested by id together."""
    do = _at(site, "fireflies")
    recent = [meeting["id"] for meeting in do("meetings")["meetings"] if not meeting["hidden"]]
    do("hold_meeting", title="A meeting", count=6)
    for meeting in recent[:2]:
        do("retitle", meeting=meeting, title="Called otherwise")
    for meeting in recent[2:4]:
        do("delete", meeting=meeting)
    return 2 + 1


def notion(site: Running) -> int:
    """Five pages that changed: the blocks of each, and its comments."""
    do = _at(site, "notion")
    truth = do("truth")
    source = min(truth["data_sources"])
    plain = {block["page_id"] for block in truth["blocks"].values()} - {
        block["page_id"] for block in truth["blocks"].values() if block["depth"]
    }
    listed = sorted(row_id for row_id in plain if truth["pages"][row_id]["data_source_id"])
    for page in listed[:3]:
        do("edit_page", page=page, title="New title")
        do("comment", page=page)
    for title in ("One", "Two"):
        do("create_page", parent=source, title=title, lines=["a line"])
    for page in listed[:2]:
        do("append_blocks", parent=page)
    return 5 * 2


def tempo(site: Running) -> int:
    """Hours and plans come with the lists that a quiet pull requests; a deletion comes with the audit log."""
    do = _at(site, "tempo")
    truth = do("truth")
    worklogs = sorted(map(int, truth["worklogs"]))
    for _ in range(4):
        do("log")
    for worklog in worklogs[:2]:
        do("edit", worklog=worklog, seconds=1_800)
    do("move", worklog=worklogs[2], start_date="2026-10-01")
    do("delete", worklog=worklogs[3])
    do("plan")
    do("edit_plan", plan=max(map(int, truth["plans"])), seconds_per_day=3_600)
    return 0


def _at(site: Running, service: str) -> Callable[..., dict[str, Any]]:
    return lambda verb, **arguments: site.control(f"{service}/{verb}", **arguments)


#: By source: makes ten changes, and returns how many requests they cost more than a quiet pull.
TEN_CHANGES: Mapping[str, Callable[[Running], int]] = {
    "jira": jira,
    "github": github,
    "slack": slack,
    "fireflies": fireflies,
    "notion": notion,
    "tempo": tempo,
}
