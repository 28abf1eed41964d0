"""A month of a team's life, pulled live each day, by daily windows, and once: all end with the workspace's truth."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines_tests.sources.live import Live
from impulsum_pipelines_tests.sources.sites import Start
from impulsum_pipelines_tests.sources.slack.support import ATLAS, DAY, asked, held, later, one, slack, sync, wrong

START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 30


class Month:
    """What happens in the workspace, day by day, from a seed."""

    def __init__(self, site: Running, seed: int) -> None:
        self.site = site
        self.chance = random.Random(seed)
        #: (channel, ts) of what was written; roots and replies are kept apart.
        self.roots: list[tuple[str, str]] = []
        self.replies: list[tuple[str, str]] = []

    def do(self, verb: str, **arguments: Any) -> dict[str, Any]:
        return self.site.control(f"slack/{verb}", **arguments)

    def day(self, number: int) -> None:
        """One day: some writing, a late reply to anything, and now and then the rest."""
        for channel in self.chance.choices((ATLAS, "general", "random", "incidents", "team-beam"), k=4):
            self.roots.append((channel, self.do("post", channel=channel, text=f"day {number}")["ts"]))
        for channel, ts in self.chance.sample(self.roots, min(3, len(self.roots))):
            reply = self.do("reply", channel=channel, thread=ts, broadcast=self.chance.random() < 0.3)
            self.replies.append((channel, reply["ts"]))
        channel, ts = self.chance.choice(self.roots)
        match number % 6:
            case 1:
                self.do("edit", channel=channel, ts=ts, text=f"edited on day {number}")
            case 2:
                channel, ts = self.replies.pop(self.chance.randrange(len(self.replies)))
                self.do("delete", channel=channel, ts=ts)
            case 3:
                self.roots.remove((channel, ts))
                self.do("delete", channel=channel, ts=ts)
            case 4:
                self.do("react", channel=channel, ts=ts)
            case 5:
                channel, ts = self.replies[-1]  # of today: the census finds older ones
                self.do("edit", channel=channel, ts=ts, text=f"reply edited on day {number}")
        self.milestone(number)

    def milestone(self, number: int) -> None:
        """What happens once."""
        match number:
            case 5:
                self.do("join", channel="design")
            case 8:
                self.do("rename_channel", channel="releases", name="shipping")
            case 11:
                self.do("add_user", name="newcomer", channels=["general", ATLAS])
            case 14:
                self.do("create_channel", name="retro", kind="private_channel", with_bot=True)
            case 17:
                self.do("leave", channel="random")
            case 20:
                self.do("join", channel="random")
            case 22:
                self.do("set_private", channel="design")
            case 24:
                self.do("archive", channel="shipping")
            case 26:
                self.do("deactivate_user", user="guest")


@pytest.mark.long
@pytest.mark.exhaustive
def test_a_month(workspace: Start, live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    site = workspace(seed=62, issues=40, now="2026-11-01T08:00:00Z")
    month = Month(site, seed=2)
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    sync()
    live(site, sync)
    for number in range(DAYS):
        month.day(number)
        later(site, 60)
        if number == 12:  # the source is down for the night
            site.control("fault", kind="status", status=503, count=6, path="conversations.history", after=2)
            with pytest.raises(ImpulsumError, match="503"):
                sync()
        elif number != 13:
            sync()
        later(site, DAY - 60)
    sync()
    slack.prove(site.control("slack/truth"))
    assert site.control("slack/refusals") == {}
    rows = "select * exclude (sync_id, extracted_at, row_hash) from raw.messages where deleted_at is null order by id"
    of_live = held(rows)

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "windows"))
    first = datetime.fromisoformat(one_home(monkeypatch, tmp_path, "select min(posted_at) from raw.messages"))
    sync(window=Window(first.replace(hour=0, minute=0, second=0, microsecond=0), START))
    for number in range(DAYS + 1):
        result = sync(window=Window(START + timedelta(days=number), START + timedelta(days=number + 1)))
        assert result.watermark_to is None
    assert set(slack.differences({"messages": site.control("slack/truth")["messages"]})) == set()
    assert held(rows) == of_live
    assert one("select count(*) from raw.users") == 0

    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "once"))
    sync()
    assert wrong(site) == {}
    assert held(rows) == of_live


def one_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sql: str) -> str:
    """The value of a query in the home that was pulled live."""
    with monkeypatch.context() as patch:
        patch.setenv("IMPULSUM_HOME", str(tmp_path / "home"))
        return str(one(sql).isoformat())


def test_a_window_stores_its_day_and_the_roots_that_got_a_reply_in_it(workspace: Start) -> None:
    site = workspace(seed=71)
    root = site.control("slack/post", channel=ATLAS)["ts"]
    later(site, 5 * DAY)
    posted = site.control("slack/post", channel=ATLAS)["ts"]
    reply = site.control("slack/reply", channel=ATLAS, thread=root)["ts"]
    later(site, 2 * DAY)
    site.control("slack/reply", channel=ATLAS, thread=root)
    result = sync(window=Window(START + timedelta(days=5), START + timedelta(days=6)))
    assert result.watermark_to is None
    assert set(result.rows) == {"messages"}
    assert {ts for (ts,) in held("select ts from raw.messages")} == {root, posted, reply}
    site.control("slack/delete", channel=ATLAS, ts=posted)
    assert sync(window=Window(START + timedelta(days=5), START + timedelta(days=6))).rows["messages"].deleted == 1


def test_requests_after_ten_changes(workspace: Start) -> None:
    site = workspace(seed=72, issues=500)
    sync()
    later(site, 3 * DAY)
    roots = [site.control("slack/post", channel=ATLAS)["ts"] for _ in range(4)]
    for thread in roots[:3]:
        site.control("slack/reply", channel=ATLAS, thread=thread)
    site.control("slack/edit", channel=ATLAS, ts=roots[3])
    site.control("slack/react", channel=ATLAS, ts=roots[2])
    site.control("slack/delete", channel=ATLAS, ts=roots[3])
    asked(site)
    result = sync()
    assert wrong(site) == {}
    assert asked(site) == {
        "auth.test": 1, "conversations.list": 1, "conversations.history": 9, "conversations.replies": 3,
    }  # fmt: skip
    assert result.requests == 14
