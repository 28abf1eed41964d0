"""Meetings as they appear, change and vanish, although Fireflies reports none of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sources.base.sync import Window
from impulsum_pipelines.sources.fireflies import walk
from impulsum_pipelines_tests.sources.fireflies.conftest import Fireflies, StartFireflies


def alive(site: Fireflies, table: str = "transcripts") -> set[str]:
    return site.pulls.alive(table)


def sentences_of(site: Fireflies, meeting: str) -> int:
    counted = "select count(*) from raw.sentences where transcript_id = ? and deleted_at is null"
    return int(site.pulls.one(counted, meeting))


def test_a_meeting_whose_summary_is_being_made_is_stored_without_sentences_until_it_is_ready(site: Fireflies) -> None:
    meeting = site.do("hold_meeting", status="processing")["id"]
    site.sync()
    assert site.differences() == {}
    assert sentences_of(site, meeting) == 0
    site.later(hours=30)
    site.do("finish_processing", meeting=meeting)
    site.sync()
    assert site.differences() == {}
    assert sentences_of(site, meeting) > 0
    assert site.do("reads")[meeting] == 1


def test_captions_of_a_live_meeting_are_left_out(site: Fireflies) -> None:
    meeting = site.do("hold_meeting", live=True)["id"]
    site.sync()
    assert (sentences_of(site, meeting), meeting in alive(site)) == (0, True)
    site.do("end_meeting", meeting=meeting)
    site.later(hours=1)
    site.sync()
    assert (sentences_of(site, meeting), site.differences()) == (0, {})
    site.do("finish_processing", meeting=meeting)
    site.later(hours=1)
    site.sync()
    assert sentences_of(site, meeting) > 0
    assert site.differences() == {}


def test_a_meeting_whose_summary_failed_keeps_its_sentences(site: Fireflies) -> None:
    meeting = site.do("hold_meeting", status="processing")["id"]
    site.sync()
    site.do("fail_processing", meeting=meeting)
    site.later(hours=1)
    site.sync()
    assert site.differences() == {}
    assert sentences_of(site, meeting) > 0


def test_a_meeting_that_stays_unfinished_is_asked_for_so_often_and_no_more(
    site: Fireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_TRIES", 2)
    meeting = site.do("hold_meeting", status="processing")["id"]
    site.sync()
    site.later(days=walk.OVERLAP.days + 1)
    site.sync()  # moves the watermark: from now on no list shows the meeting
    site.do("reads", reset=True)
    for _ in range(4):
        site.later(days=1)
        site.sync()
    assert site.do("reads")[meeting] == 2
    site.do("finish_processing", meeting=meeting)
    site.later(days=1)
    site.sync(census=True)
    assert site.differences() == {}


def test_a_meeting_that_finishes_after_it_left_the_list_is_still_read(site: Fireflies) -> None:
    meeting = site.do("hold_meeting", status="processing")["id"]
    site.sync()
    site.later(days=walk.OVERLAP.days + 1)
    site.sync()
    site.later(days=1)
    site.do("finish_processing", meeting=meeting)
    site.sync()
    assert site.differences() == {}


def test_an_upload_with_an_old_date_is_found_by_the_overlap_and_an_older_one_by_the_census(site: Fireflies) -> None:
    recent = site.do("upload_old", days_ago=15)["id"]
    old = site.do("upload_old", days_ago=200)["id"]
    site.sync()
    assert recent in alive(site)
    assert old not in alive(site)
    result = site.sync(census=True)
    assert site.differences() == {}
    counted = site.pulls.held("select at_source, held, missing from raw.census where sync_id = ?", result.sync_id)
    assert counted == [(len(site.ids()), len(site.ids()), 1)]


def test_an_upload_from_the_future_is_found(site: Fireflies) -> None:
    site.do("upload_old", days_ago=-90)
    site.sync()
    assert site.differences() == {}


@pytest.mark.parametrize(
    ("verb", "arguments", "column"),
    [
        ("retitle", {"title": "Another title"}, "title"),
        pytest.param("set_privacy", {"privacy": "owner"}, "is_private", marks=pytest.mark.exhaustive),
        pytest.param("share", {"email": "guest@example.com"}, "payload", marks=pytest.mark.exhaustive),
        ("rename_speaker", {"name": "Somebody else"}, "payload"),
    ],
)
def test_an_edit_that_fireflies_does_not_report_is_found(
    site: Fireflies, verb: str, arguments: dict[str, Any], column: str
) -> None:
    meeting = site.ids()[0]
    chosen = f"select {column} from raw.transcripts where id = ?"
    before = site.pulls.one(chosen, meeting)
    site.do("reads", reset=True)
    site.do(verb, meeting=meeting, **arguments)
    site.sync()
    assert site.pulls.one(chosen, meeting) != before
    assert site.differences() == {}
    assert site.do("reads") == {meeting: 1}
    site.later(hours=1)
    assert site.sync().requests == 2


def test_a_meeting_that_is_deleted_or_no_longer_shared_is_marked_with_its_rows_and_comes_back(site: Fireflies) -> None:
    deleted, unshared = site.ids()[:2]
    site.do("delete", meeting=deleted)
    site.do("unshare", meeting=unshared)
    site.sync()
    assert site.differences() == {}
    for table in ("sentences", "attendees", "action_items"):
        left = f"select count(*) from raw.{table} where transcript_id in (?, ?) and deleted_at is null"
        assert site.pulls.one(left, deleted, unshared) == 0
    site.do("share", meeting=unshared)
    site.later(hours=1)
    site.sync()
    assert site.differences() == {}
    assert unshared in alive(site)


def test_an_old_meeting_that_vanished_is_found_by_the_census(site: Fireflies) -> None:
    oldest = site.ids()[-1]
    site.do("delete", meeting=oldest)
    site.sync()
    assert oldest in alive(site)
    site.sync(census=True)
    assert site.differences() == {}


def test_losing_more_than_half_at_once_is_unreachable_not_deleted(site: Fireflies) -> None:
    for meeting in site.ids()[:-5]:
        site.do("unshare", meeting=meeting)
    result = site.sync(census=True)
    assert site.pulls.one("select count(*) from raw.transcripts where deleted_at is not null") == 0
    assert site.pulls.one("select count(*) from raw.sentences where deleted_at is not null") == 0
    assert result.rows["transcripts"].unreachable == site.pulls.one(
        "select count(*) from raw.transcripts where unreachable_since is not null"
    )
    assert site.differences() == {}


@pytest.mark.parametrize("field", ["sentences", pytest.param("summary", marks=pytest.mark.exhaustive)])
def test_one_meeting_that_cannot_be_answered_whole_stops_no_other_and_is_read_later(
    site: Fireflies, field: str
) -> None:
    bad, *_ = site.do("hold_meeting", count=3)["ids"]
    site.do("fail_field", meeting=bad, field=field)
    site.sync()
    assert site.pulls.held("select id from raw.transcripts where not is_whole") == [(bad,)]
    assert sentences_of(site, bad) == 0
    site.later(hours=1)
    site.sync()
    assert site.differences() == {}


def test_a_meeting_that_can_never_be_answered_whole_does_not_eat_the_quota(
    site: Fireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_TRIES", 2)
    meeting = site.ids()[0]
    site.do("retitle", meeting=meeting, title="Changed")
    site.do("fail_field", meeting=meeting, field="summary", count=1_000)
    costs = []
    for _ in range(3):
        costs.append(site.sync().requests)
        site.later(hours=1)
    assert costs == [3, 3, 2]
    assert sentences_of(site, meeting) > 0, "stored sentences stay"
    site.do("fail_field", meeting=meeting, field="summary", count=0)
    site.sync(census=True)
    assert site.differences() == {}


def test_a_list_with_a_field_that_failed_changes_nothing_and_is_read_again_later(site: Fireflies) -> None:
    meeting = site.ids()[0]
    site.do("retitle", meeting=meeting, title="Changed")
    site.do("fail_field", meeting=meeting, field="duration")
    new = site.do("hold_meeting")["id"]
    site.do("fail_field", meeting=new, field="title")
    site.sync()
    assert site.pulls.one("select title from raw.transcripts where id = ?", meeting) != "Changed"
    assert new in alive(site), "a new one is read by its id"
    site.later(hours=1)
    site.sync()
    assert site.differences() == {}


@pytest.mark.parametrize("what", ["insert", "delete"])
def test_pages_that_move_while_they_are_read_lose_nothing(fireflies: StartFireflies, what: str) -> None:
    site = fireflies(seed=4)
    site.do("hold_meeting", count=60)
    site.do("disturb", what=what)
    site.sync()
    assert site.differences() == {}


@pytest.mark.parametrize(
    "count", [pytest.param(4, marks=pytest.mark.exhaustive), 5, pytest.param(55, marks=pytest.mark.exhaustive)]
)
def test_page_sizes_of_every_kind_give_every_meeting(fireflies: StartFireflies, count: int) -> None:
    site = fireflies(seed=4)
    recent = site.pulls
    newest = [
        m for m in site.do("meetings")["meetings"] if m["date"] > datetime(2026, 10, 4, tzinfo=UTC).timestamp() * 1e3
    ]
    site.do("hold_meeting", count=count + 45 - len(newest))
    site.sync()
    assert recent.alive("transcripts") == set(site.ids())


def test_a_list_that_repeats_its_page_is_an_error_not_a_loop(site: Fireflies) -> None:
    site.do("hold_meeting", count=50)
    site.served.control("fault", kind="repeat_token", path="graphql", count=100)
    with pytest.raises(ImpulsumError, match="did not fit together") as failure:
        site.sync()
    assert failure.value.category is Category.SOURCE_OUTAGE
    site.served.control("clear_faults")
    site.sync()
    assert site.differences() == {}


@pytest.mark.parametrize("kind", ["end_early", "empty_page"])
def test_a_list_that_ends_early_deletes_nothing(site: Fireflies, kind: str) -> None:
    before = alive(site)
    site.served.control("fault", kind=kind, path="graphql", after=1)
    site.sync()
    assert alive(site) == before
    assert site.differences() == {}


@pytest.mark.parametrize("exclusive", [True, False])
def test_a_meeting_that_began_at_a_bound_is_stored_once(
    fireflies: StartFireflies, exclusive: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = fireflies(seed=5)
    site.do("date_bounds", exclusive=exclusive)
    site.served.control("clock", freeze=True)
    site.do("upload_old", days_ago=-0.5)  # at midnight exactly, once its length is taken off
    site.do("hold_meeting", minutes=12 * 60)
    midnight = datetime(2026, 11, 2, tzinfo=UTC)
    for day in (midnight - timedelta(days=1), midnight):
        site.sync(window=Window(day, day + timedelta(days=1)))
    wanted = {
        m["id"]
        for m in site.do("meetings")["meetings"]
        if midnight.timestamp() * 1e3 <= m["date"] < (midnight + timedelta(days=1)).timestamp() * 1e3
    }
    stored = site.pulls.held("select id from raw.transcripts where started_at >= ?", midnight)
    assert {row_id for (row_id,) in stored} == wanted


def test_a_span_with_more_meetings_than_a_list_can_skip_through_is_read_in_halves(
    fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impulsum_pipelines.sources.fireflies import listing

    monkeypatch.setattr(listing, "MOST_SKIP", 60)
    site = fireflies(seed=6)
    for number in range(2):
        site.do("hold_meeting", count=45, minutes_ago=number * 2_000)
    site.sync()
    assert site.differences() == {}


def test_a_window_reads_its_days_and_leaves_the_watermark_alone(
    site: Fireflies, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path / "window"))
    day = datetime(2026, 10, 12, tzinfo=UTC)
    result = site.sync(window=Window(day, day + timedelta(days=14)))
    assert (result.mode, result.watermark_to) == ("window", None)
    outside = "select count(*) from raw.transcripts where started_at < ? or started_at >= ?"
    assert site.pulls.one(outside, day, day + timedelta(days=14)) == 0
    assert len(alive(site)) > 2
    assert site.sync().watermark_from is None
    assert site.differences() == {}


def test_nothing_before_the_first_day_is_read(fireflies: StartFireflies, monkeypatch: pytest.MonkeyPatch) -> None:
    site = fireflies(seed=7)
    monkeypatch.setenv("IMPULSUM_START_DATE", "2026-10-01")
    site.sync()
    assert site.pulls.one("select min(started_at) from raw.transcripts") >= datetime(2026, 10, 1, tzinfo=UTC)
    assert len(alive(site)) == sum(m["date"] >= 1_790_812_800_000 for m in site.do("meetings")["meetings"])


def test_a_document_that_does_not_fit_is_quarantined_and_the_rest_is_loaded(
    site: Fireflies, monkeypatch: pytest.MonkeyPatch
) -> None:
    from impulsum_pipelines.sources.fireflies import client

    original = client.FirefliesClient.whole_meetings

    def with_a_bad_one(self: client.FirefliesClient, ids: Any) -> Any:
        read = original(self, ids)
        for document in read.documents:
            document["sentences"].append({"text": "a sentence without a place"})
        return read

    monkeypatch.setattr(client.FirefliesClient, "whole_meetings", with_a_bad_one)
    meeting = site.do("hold_meeting")["id"]
    site.sync()
    assert site.pulls.held("select stream, reason from raw.quarantine") == [("sentences", "KeyError: 'index'")]
    assert sentences_of(site, meeting) > 5


def test_signed_links_and_counts_that_always_change_are_not_stored(site: Fireflies) -> None:
    for name in ("audio_url", "video_url", "num_transcripts"):
        assert site.pulls.one("select count(*) from raw.transcripts where payload::varchar like ?", f"%{name}%") == 0


def test_tickets_can_be_followed_into_meetings(site: Fireflies) -> None:
    from impulsum_pipelines.sandbox.team import Team

    for ticket in Team(site.served.world).featured:
        named = "select count(*) from raw.transcripts where title like ?"
        assert site.pulls.one(named, f"{ticket.key} %") == 1
