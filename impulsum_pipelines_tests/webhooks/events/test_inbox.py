"""Processing the inbox: every good file is one event, every bad one has its reason, and urgent events come first."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.ops import schema
from impulsum_pipelines.ops.store import engine, transaction
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.webhooks.events import inbox
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.inbox import process_inbox
from impulsum_pipelines.webhooks.events.rules import RuleSet
from impulsum_pipelines.webhooks.events.triage import Classification
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines_tests.conftest import on_postgresql, on_sqlite
from impulsum_pipelines_tests.webhooks.events.test_storm import process_all
from impulsum_pipelines_tests.webhooks.sample_events import issue, message


def drop(settings: Settings, body: Mapping[str, Any] | bytes, delivery: str | None = None) -> str:
    """Put a Jira event into the inbox; returns the name of its file."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return dropfiles.write_dropfile(Home.of(settings), "jira", raw, headers={}, delivery=delivery).name


def created(key: str, priority: str, **more: Any) -> dict[str, Any]:
    """The body for a new issue with an id of its own."""
    body = issue(key, priority={"name": priority}, **more)
    body["issue"]["id"] = str(10_000 + int(key.partition("-")[2]))
    return body


def urgent(key: str = "OPS-1") -> dict[str, Any]:
    """A new issue of the highest priority."""
    return created(key, "Highest")


def ordinary(key: str) -> dict[str, Any]:
    """A new issue that is not urgent."""
    return created(key, "Medium")


def rows(settings: Settings, *columns: sa.Column[Any]) -> list[tuple[Any, ...]]:
    """Columns of a table of the ops store, in the order of writing."""
    with transaction(settings) as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(columns[0].table.c.id))]


def folder(settings: Settings, name: str) -> set[str]:
    """Names of the files in a folder of the inbox."""
    place = Home.of(settings).inbox / name
    return {path.name for path in place.iterdir()} if place.exists() else set()


def test_a_good_file_becomes_an_event_and_an_urgent_one_an_alert(ops_settings: Settings) -> None:
    name = drop(ops_settings, urgent("OPS-1"), "d1")
    result = process_inbox(ops_settings)
    assert (result.committed, result.repeated, result.failed, result.urgent) == (1, 0, 0, {"jira"})
    e, a = schema.events.c, schema.alerts.c
    [(event_id, key, priority, file, incident)] = rows(ops_settings, e.id, e.key, e.priority, e.file, e.incident_id)
    assert (key, priority, file) == ("d1", "P0", name)
    assert rows(ops_settings, a.key, a.kind, a.priority, a.evidence) == [
        (f"incident:{incident}", "event", "P0", {"events": [event_id], "links": [*_links(ops_settings)]})
    ]
    assert (folder(ops_settings, "incoming"), folder(ops_settings, "done")) == (set(), {name})


def _links(settings: Settings) -> list[str]:
    return [url for (url,) in rows(settings, schema.events.c.url) if url]


def test_a_repeated_delivery_is_only_counted(ops_settings: Settings) -> None:
    for _ in range(3):
        drop(ops_settings, urgent(), "d1")
    assert process_inbox(ops_settings).committed == 1
    drop(ops_settings, urgent(), "d1")
    again = process_inbox(ops_settings)
    assert (again.committed, again.repeated) == (0, 1)
    assert len(rows(ops_settings, schema.events.c.id)) == 1
    assert rows(ops_settings, schema.alerts.c.occurrences) == [(1,)]
    assert not again.urgent


def test_a_bad_file_stops_no_good_one_and_has_its_reason(ops_settings: Settings) -> None:
    good = drop(ops_settings, ordinary("OPS-2"))
    bad = drop(ops_settings, b'{"truncated": ')
    incoming = Home.of(ops_settings).inbox / "incoming"
    (incoming / "..surprise").mkdir(parents=True)
    (incoming / "notes.txt").write_text("hello")
    result = process_inbox(ops_settings)
    assert (result.committed, result.failed) == (1, 2)
    assert folder(ops_settings, "done") == {good}
    assert {bad, f"{bad}.reason.txt", "notes.txt", "notes.txt.reason.txt"} <= folder(ops_settings, "failed")


@pytest.mark.parametrize("year", ["0001-01-01T00:00:00", "9999-12-31T23:59:59"])
def test_a_file_from_the_end_of_time_stops_no_good_one(ops_settings: Settings, year: str) -> None:
    good, bad = drop(ops_settings, ordinary("OPS-2")), drop(ops_settings, ordinary("OPS-3"))
    path = Home.of(ops_settings).inbox / "incoming" / bad
    path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"received_at": f"{year}+00:00"}))
    only_one_is_refused(ops_settings, good, bad, "received_at")


def test_a_file_on_which_our_code_fails_stops_no_good_one(
    ops_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = drop(ops_settings, ordinary("OPS-2"), "d2"), drop(ops_settings, ordinary("OPS-3"), "d3")
    classify = inbox.classify

    def fail(event: Event, rules: RuleSet) -> Classification:
        return classify(event, rules) if event.key == "d2" else classify(event, None)  # type: ignore[arg-type]

    monkeypatch.setattr(inbox, "classify", fail)
    only_one_is_refused(ops_settings, good, bad, "AttributeError")


def only_one_is_refused(ops_settings: Settings, good: str, bad: str, reason: str) -> None:
    result = process_inbox(ops_settings)
    assert (result.committed, result.failed) == (1, 1)
    assert folder(ops_settings, "done") == {good}
    assert reason in (Home.of(ops_settings).inbox / "failed" / f"{bad}.reason.txt").read_text()


def test_a_file_that_cannot_be_moved_stays_and_stops_no_good_one(
    ops_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Home.of(ops_settings).inbox / "incoming" / "anothers").mkdir(parents=True)
    names = [drop(ops_settings, ordinary(f"OPS-{number}"), f"d{number}") for number in (2, 3)]
    move = dropfiles.move

    def refuse(path: Path, to: Any, reason: str = "") -> Path:
        if path.name in ("anothers", names[0]):  # like a file of another user that only its owner may move
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return move(path, to, reason)

    monkeypatch.setattr(dropfiles, "move", refuse)
    first, second = process_inbox(ops_settings), process_inbox(ops_settings)
    assert (first.committed, first.failed, first.left) == (2, 0, 2)
    assert (second.files, second.left) == (0, 2)
    assert folder(ops_settings, "done") == {names[1]}
    monkeypatch.setattr(dropfiles, "move", move)
    assert (process_inbox(ops_settings).repeated, folder(ops_settings, "incoming")) == (1, set())


def test_an_urgent_event_overtakes_earlier_ones(ops_settings: Settings) -> None:
    for number in range(70):
        drop(ops_settings, ordinary(f"OPS-{number + 10}"))
    drop(ops_settings, urgent("OPS-1"))
    assert process_inbox(ops_settings).committed == 71
    [(first,), *_] = rows(ops_settings, schema.events.c.priority)
    assert first == "P0"


def test_a_round_keeps_only_so_much_in_memory(ops_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        drop(ops_settings, ordinary(f"OPS-{number + 1}"))
    monkeypatch.setattr(inbox, "MAX_BYTES_PER_ROUND", 1)
    assert [process_inbox(ops_settings).committed for _ in range(4)] == [1, 1, 1, 0]


def test_one_event_that_cannot_be_stored_stops_no_other(
    ops_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [drop(ops_settings, ordinary(f"OPS-{number}"), f"d{number}") for number in range(4)]
    record = inbox.record_events

    def refuse(connection: sa.Connection, arrivals: Any, **named: Any) -> Any:
        if any(arrival.event.key == "d2" for arrival in arrivals):
            raise sa.exc.DataError("insert", {}, ValueError("no"))
        return record(connection, arrivals, **named)

    monkeypatch.setattr(inbox, "record_events", refuse)
    result = process_inbox(ops_settings)
    assert (result.committed, result.failed) == (3, 1)
    assert folder(ops_settings, "done") == {names[0], names[1], names[3]}
    assert names[2] in folder(ops_settings, "failed")


@on_sqlite
def test_after_an_error_of_a_damaged_store_the_files_wait() -> None:
    ops_settings = load_settings()
    names = {drop(ops_settings, ordinary(f"OPS-{number}")) for number in range(3)}
    with transaction(ops_settings) as connection:
        page = sa.text("select rootpage from sqlite_master where name = 'events'")
        root: int = connection.execute(page).scalar_one()
        size: int = connection.exec_driver_sql("pragma page_size").scalar_one()
    engine(ops_settings).dispose()  # this writes the log back into the file
    with (Home.of(ops_settings).root / "ops.sqlite").open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    with pytest.raises(ImpulsumError, match="malformed"):
        process_inbox(ops_settings)
    assert (folder(ops_settings, "incoming"), folder(ops_settings, "failed")) == (names, set())


@on_postgresql
@pytest.mark.parametrize("wrong", ["set transaction read only", "drop table incident_subjects"])
def test_after_an_error_of_a_read_only_store_the_files_wait(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    ops_settings = load_settings()
    names = {drop(ops_settings, ordinary(f"OPS-{number}")) for number in range(3)}
    record = inbox.record_events

    def prevented(connection: sa.Connection, arrivals: Any, **named: Any) -> Any:
        connection.exec_driver_sql(wrong)
        return record(connection, arrivals, **named)

    monkeypatch.setattr(inbox, "record_events", prevented)
    with pytest.raises(ImpulsumError, match="ops store"):
        process_inbox(ops_settings)
    assert (folder(ops_settings, "incoming"), folder(ops_settings, "failed")) == (names, set())


def test_after_another_process_wrote_the_same_row_the_commit_is_tried_again(
    ops_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(ops_settings, ordinary("OPS-2"))
    record, tries = inbox.record_events, []

    def too_late(connection: sa.Connection, arrivals: Any, **named: Any) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise sa.exc.IntegrityError("insert", {}, ValueError("unique"))
        return record(connection, arrivals, **named)

    monkeypatch.setattr(inbox, "record_events", too_late)
    assert process_inbox(ops_settings).committed == 1


def post_thread(settings: Settings, *texts: str) -> None:
    """Put messages of one thread into the inbox; each is grouped with the first issue that it names."""
    for number, text in enumerate(texts):
        body = message(text, ts=f"1793620500.{number:06}", thread_ts="1793620400.000100")
        dropfiles.write_dropfile(Home.of(settings), "slack", orjson.dumps(body), headers={})


def test_incidents_that_become_one_leave_one_alert(ops_settings: Settings) -> None:
    drop(ops_settings, ordinary("OPS-1"))
    drop(ops_settings, urgent("OPS-2"))
    drop(ops_settings, urgent("OPS-3"))
    process_inbox(ops_settings)
    a = schema.alerts.c
    [(second, _), (third, _)] = before = rows(ops_settings, a.id, a.state)
    assert before == [(second, "open"), (third, "open")]
    post_thread(ops_settings, "OPS-1 is why", "OPS-2 waits for it", "OPS-3 too")  # none of them is urgent
    process_inbox(ops_settings)
    [(incident,)] = rows(ops_settings, schema.incidents.c.id)
    [left, over] = rows(ops_settings, a.id, a.key, a.state, a.priority, a.occurrences)
    assert left == (second, f"incident:{incident}", "open", "P0", 2)
    assert (over[0], over[2]) == (third, "resolved")
    [events] = [evidence["events"] for evidence, state in rows(ops_settings, a.evidence, a.state) if state == "open"]
    assert len(events) == 2


def test_rules_that_cannot_be_used_leave_everything_waiting(
    ops_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = drop(ops_settings, urgent())
    wrong = Home.of(ops_settings).root / "wrong.yaml"
    wrong.write_text("rules: 7")
    monkeypatch.setenv("IMPULSUM_TRIAGE", str(wrong))
    with pytest.raises(ImpulsumError, match="rules"):
        process_inbox(load_settings())
    assert folder(ops_settings, "incoming") == {name}


def _die_before_moving(environment: dict[str, str], after: int) -> None:
    os.environ.clear()
    os.environ.update(environment)
    moved = []

    def move(*_: Any, **__: Any) -> None:
        moved.append(1)
        if len(moved) > after:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(inbox.dropfiles, "move", move)  # noqa: B010
    process_inbox(load_settings())


def test_killed_between_the_commit_and_the_move_nothing_is_stored_twice(ops_settings: Settings) -> None:
    names = {drop(ops_settings, urgent(f"OPS-{number}"), f"d{number}") for number in range(5)}
    for after in (0, 2):
        context = multiprocessing.get_context("forkserver")
        victim = context.Process(target=_die_before_moving, args=(dict(os.environ), after))
        victim.start()
        victim.join()
        assert victim.exitcode == -signal.SIGKILL
    assert folder(ops_settings, "incoming") == names
    result = process_inbox(ops_settings)
    assert (result.committed, result.repeated) == (0, 5)
    assert len(rows(ops_settings, schema.events.c.id)) == 5
    assert rows(ops_settings, schema.alerts.c.occurrences) == [(1,)] * 5
    assert (folder(ops_settings, "incoming"), folder(ops_settings, "done")) == (set(), names)


def test_two_processes_on_one_inbox_double_nothing(ops_settings: Settings) -> None:
    names = {drop(ops_settings, (urgent if number % 7 == 0 else ordinary)(f"OPS-{number}")) for number in range(120)}
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=process_all, args=(dict(os.environ),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(rows(ops_settings, schema.events.c.id)) == 120
    assert len(rows(ops_settings, schema.alerts.c.id)) == 18
    assert (folder(ops_settings, "incoming"), folder(ops_settings, "done")) == (set(), names)
