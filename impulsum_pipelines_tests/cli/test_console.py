"""Output for people and programs: tables, JSON, progress."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from impulsum_pipelines.base.humanize import humanize
from impulsum_pipelines.base.progress import reporter, reporting_to
from impulsum_pipelines.cli.console import age, format_value, notes, progress_bars, show_json, show_table

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (3, "3"),
        (100, "100"),
        (Decimal("100.000"), "100"),
        (Decimal("10.500"), "10.5"),
        (0.0, "0"),
        (1 / 3, "0.333"),
        (NOON.astimezone(timezone(timedelta(hours=-5))), "2026-11-01 12:00:00"),
        ("ACME-1", "ACME-1"),
    ],
)
def test_values_are_shown_for_people(value: object, shown: str) -> None:
    assert format_value(value) == shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")],
)
def test_an_age_is_in_its_largest_unit_of_at_least_two(seconds: int, text: str) -> None:
    assert age(NOON - timedelta(seconds=seconds), NOON) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (11_549, "3 h 12 min"), (90_061, "1 d 1 h"), (3605, "1 h 5 s")],
)
def test_durations_are_in_the_two_largest_units(seconds: int, text: str) -> None:
    assert humanize(timedelta(seconds=seconds)) == text


def test_the_age_of_nothing_is_never() -> None:
    assert age(None) == "never"


def test_nothing_is_cut_off_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "x" * 150
    show_table(("name", "[points]"), [(wide, Decimal("1.500")), ("[red]", None)])
    out = capsys.readouterr().out
    assert wide in out
    assert "[points]" in out and "[red]" in out and "1.5" in out


def test_json_keeps_numbers_and_instants(capsys: pytest.CaptureFixture[str]) -> None:
    show_json(
        {"points": Decimal("1.500"), "count": Decimal("3.000"), "at": NOON, "day": NOON.date(), "long": "y" * 200}
    )
    assert json.loads(capsys.readouterr().out) == {
        "points": 1.5,
        "count": 3,
        "at": "2026-11-01T12:00:00+00:00",
        "day": "2026-11-01",
        "long": "y" * 200,
    }


def test_words_between_colons_stay_words(capsys: pytest.CaptureFixture[str]) -> None:
    words = ":fire: [red]api[/red] :warning: a:b:c"
    show_json({"title": words})
    assert json.loads(capsys.readouterr().out) == {"title": words}
    show_table(("title",), [(words,)], title=":fire:")
    notes().print(words, markup=False)
    out, err = capsys.readouterr()
    assert words in out and out.startswith(":fire:")
    assert err == f"{words}\n"


def test_progress_is_reported_only_inside_the_block() -> None:
    seen: list[tuple[str, int, int | None]] = []
    with reporting_to(lambda *report: seen.append(report)):
        reporter()("issues", 1, 2)
    reporter()("issues", 2, 2)
    assert seen == [("issues", 1, 2)]


def test_warnings_are_printed_even_without_progress_bars(
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = logging.getLogger("impulsum_pipelines.sources")
    with progress_bars("working"):
        log.warning("Jira asks to wait [%d s]", 40)
        log.info("all is well")
    log.warning("nobody waits any more")
    printed = capfd.readouterr().err
    assert "Jira asks to wait [40 s]" in printed
    assert "all is well" not in printed


def test_without_a_terminal_a_line_says_when_a_step_starts(capfd: pytest.CaptureFixture[str]) -> None:
    with progress_bars("loading"):
        reporter()("jira pull", 0, None)
        reporter()("extract", 0, None)
        reporter()("issues", 1, 2)
        reporter()("marts", 0, None)
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split(" s  ")[1] for line in err.splitlines()] == ["loading", "jira pull", "marts", "done"]
    assert all(0 <= float(line.split()[0]) < 600 for line in err.splitlines())


def test_without_a_terminal_a_long_step_says_how_far_it_is(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter((0.0, 0.0, 1.0, 31.0, 40.0, 62.0, 63.0))
    monkeypatch.setattr("impulsum_pipelines.cli.console.monotonic", lambda: next(now))
    with progress_bars("jira pull"):
        for done in (100, 200, 300, 400):
            reporter()("issues", done, 5000)
    lines = capfd.readouterr().err.splitlines()
    assert [line.strip() for line in lines] == [
        "0.0 s  jira pull",
        "31.0 s  issues 200 of 5000",
        "62.0 s  issues 400 of 5000",
        "63.0 s  done",
    ]
