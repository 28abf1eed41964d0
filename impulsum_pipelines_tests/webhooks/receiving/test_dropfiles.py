"""The contract of drop files: any bytes come back unchanged, and every bad file has a reason."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.vendors import COMMON_HEADERS, VENDORS

AT = datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC)
NAME = "20261120T120000.123456Z-jira-0123456789abcdef.json"
GOOD: dict[str, Any] = {
    "version": 1,
    "source": "jira",
    "received_at": "2026-11-20T12:00:00.123456+00:00",
    "headers": {"content-type": "application/json"},
    "body": '{"webhookEvent": "jira:issue_updated"}',
    "signature": "unsigned",
    "delivery": None,
}
FIRST, LAST = datetime(2000, 1, 2), datetime(2026, 11, 1)  # noqa: DTZ001  # hypothesis adds the zone
in_one_home = settings(max_examples=40)


def put(home: Home, content: bytes | dict[str, Any], name: str = NAME) -> Path:
    """Write a file as another producer would."""
    path = home.inbox / "incoming" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return path


def reason(path: Path) -> str:
    """Why a file is rejected."""
    with pytest.raises(ImpulsumError) as raised:
        dropfiles.read_dropfile(path)
    assert raised.value.category is Category.BAD_DATA
    assert raised.value.where.isprintable()
    return raised.value.what


@in_one_home
@given(
    body=st.binary() | st.text().map(str.encode) | st.sampled_from([b"\x00", b"\xef\xbb\xbf{}", b"\xff", b'"\\u0000"']),
    source=st.sampled_from(sorted(VENDORS)),
    moment=st.datetimes(FIRST, LAST, timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])),
    delivery=st.none() | st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=256),
    agent=st.text(max_size=3000),
)
def test_what_is_written_is_read(
    home: Home, body: bytes, source: str, moment: datetime, delivery: str | None, agent: str
) -> None:
    headers = {"User-Agent": agent, "Authorization": "Bearer secret", "Cookie": "secret", "X-Hub-Signature": "secret"}
    path = dropfiles.write_dropfile(
        home, source, body, headers=headers, signature="valid", delivery=delivery, received_at=moment
    )
    read = dropfiles.read_dropfile(path)
    assert (read.body, read.source, read.received_at, read.delivery) == (body, source, moment, delivery)
    assert read.received_at.tzinfo is UTC
    assert read.signature == "valid"
    assert read.headers.keys() == {"user-agent"}
    assert b"secret" not in path.read_bytes()


@in_one_home
@given(moments=st.lists(st.datetimes(FIRST, LAST, timezones=st.just(UTC)), max_size=8))
def test_names_sort_as_they_were_received(home: Home, moments: list[datetime]) -> None:
    for path in dropfiles.waiting(home):
        path.unlink()
    for moment in moments:
        dropfiles.write_dropfile(home, "slack", b"{}", headers={}, received_at=moment)
    received = [dropfiles.read_dropfile(path).received_at for path in dropfiles.waiting(home)]
    assert received == sorted(moments)
    assert [dropfiles.read_dropfile(path).received_at for path in dropfiles.waiting(home, 3)] == sorted(moments)[:3]


def test_a_file_of_another_producer_is_read(home: Home) -> None:
    read = dropfiles.read_dropfile(put(home, GOOD))
    assert read.received_at == AT
    assert read.body == b'{"webhookEvent": "jira:issue_updated"}'
    content = {name: value for name, value in GOOD.items() if name != "body"} | {"body_base64": "/w=="}
    assert dropfiles.read_dropfile(put(home, content)).body == b"\xff"


def test_headers_that_a_producer_should_not_have_stored_are_dropped(home: Home) -> None:
    headers = {"Authorization": "s", "Content-Type": "a\r\nb", "X-Atlassian-Webhook-Flow": "Primary", "X-New": "s"}
    read = dropfiles.read_dropfile(put(home, GOOD | {"headers": headers}))
    assert read.headers == {"content-type": "a  b", "x-atlassian-webhook-flow": "Primary"}


def test_no_kept_header_is_a_secret() -> None:
    kept = COMMON_HEADERS.union(*(vendor.headers for vendor in VENDORS.values()))
    signatures = {vendor.scheme.header for vendor in VENDORS.values()}
    assert not kept & (signatures | {"authorization", "cookie", "proxy-authorization"})
    assert not [name for name in kept if "signature" in name or "token" in name]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (orjson.dumps(GOOD)[:-40], "EOF while parsing"),
        (orjson.dumps(GOOD) + b"{}", "trailing characters"),
        (b"not json", "Invalid JSON"),
        (b"[]", "should be an object"),
        (b'"text"', "should be an object"),
        (b"[" * 1_000_000, "recursion limit"),
        (b'{"headers":' * 5_000, "recursion limit"),
        (orjson.dumps(GOOD).replace(b"jira:", b"jira\xff"), "not UTF-8: byte "),
        (b"\xff\xfe" + orjson.dumps(GOOD).decode().encode("utf-16-le"), "not UTF-8"),
        (b'{"version": 1}', "source: Field required"),
        (orjson.dumps(GOOD).replace(b"issue", b"\\ud800"), "Invalid JSON"),
        (GOOD | {"version": 2}, "version: this reader only knows version 1"),
        (GOOD | {"version": "1"}, "version: Input should be a valid integer"),
        (GOOD | {"version": True}, "version: Input should be a valid integer"),
        (GOOD | {"source": "trello"}, "source: unknown source"),
        (GOOD | {"source": 3}, "source: Input should be a valid string"),
        (GOOD | {"source": "github"}, "name different sources"),
        (GOOD | {"received_at": 1763640000}, "received_at: Input should be a valid datetime"),
        (GOOD | {"received_at": "2026-11-20T12:00:00"}, "received_at: Input should have timezone"),
        (
            GOOD | {"received_at": "0001-01-01T00:00:00+14:00"},
            "received_at: the time is before 2000, or more than a day",
        ),
        (
            GOOD | {"received_at": "9999-12-31T23:59:59-14:00"},
            "received_at: the time is before 2000, or more than a day",
        ),
        (GOOD | {"headers": []}, "headers: Input should be an object"),
        (GOOD | {"headers": {"a": ["b"]}}, "headers.a: Input should be a valid string"),
        (GOOD | {"headers": {"ü\n" * 99: 1}}, "headers.\\xfc\\n"),
        (GOOD | {"body": {"a": 1}}, "body: Input should be a valid string"),
        (GOOD | {"body": None}, "either body or body_base64"),
        (GOOD | {"body_base64": "eA=="}, "either body or body_base64"),
        (GOOD | {"body": None, "body_base64": "e*A=="}, "body_base64: "),
        (GOOD | {"body": None, "body_base64": "ü"}, "body_base64: "),
        (GOOD | {"signature": "trusted"}, "signature: Input should be"),
        (GOOD | {"delivery": 7}, "delivery: Input should be a valid string"),
        (GOOD | {"delivery": "a\0b"}, "delivery: String should match"),
        (GOOD | {"delivery": ""}, "delivery: String should match"),
        (GOOD | {"priority": "P0"}, "priority: Extra inputs are not permitted"),
        (GOOD | {"body": "x" * 30_000_000}, "larger than 25 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_malformed_file_has_its_reason(home: Home, content: bytes | dict[str, Any], expected: str) -> None:
    found = reason(put(home, content))
    assert expected in found
    assert len(found) < 600


def test_a_field_that_is_missing_is_named(home: Home) -> None:
    for name in GOOD.keys() - {"body"}:
        content = {other: value for other, value in GOOD.items() if other != name}
        assert f"{name}: Field required" in reason(put(home, content))


@pytest.mark.parametrize(
    "name",
    [
        "event.json",
        "..json",
        "20261120T120000.123456Z-jira-0123456789abcdef.json\n",
        "20261120T120000.123456Z-jira-01.json",
        "20261120T120000.123456Z-jira-$(reboot)01.json",
        "20261120T120000.123456Z-jira-..\\..\\etc.json",
        "-rf",
        "😀" * 60,
        "x" * 255,
        os.fsdecode(b"\xff\xfe-jira.json"),
    ],
    ids=ascii,
)
def test_a_malicious_name_has_its_reason_and_gets_a_safe_name(home: Home, name: str) -> None:
    path = put(home, GOOD, name)
    assert "Its name is not" in reason(path)
    moved = dropfiles.move(path, "failed", "its name")
    assert moved.parent == home.inbox / "failed"
    assert moved.exists()
    assert moved.name.isascii()
    assert moved.name.isprintable()
    note = moved.with_name(f"{moved.name}.reason.txt").read_text()
    assert note.startswith("its name\n")
    assert ascii(name) in note


def test_a_file_cannot_pass_for_the_reason_of_another(home: Home) -> None:
    failed = dropfiles.move(put(home, b"", "a.json"), "failed", "empty")
    dropfiles.move(put(home, b"no reason", "a.json.reason.txt"), "failed", "its name")
    assert failed.with_name("a.json.reason.txt").read_text().startswith("empty\n")
    assert len(list(failed.parent.iterdir())) == 4


def _symlink(path: Path) -> None:
    (path.parent / "elsewhere").write_bytes(orjson.dumps(GOOD))
    path.symlink_to("elsewhere")


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the path of a socket must be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


@pytest.mark.parametrize(
    ("make", "expected"),
    [(_symlink, "symbolic link"), (os.mkfifo, "not a regular file"), (Path.mkdir, "not a regular file")],
)
def test_a_link_a_pipe_and_a_folder_are_neither_followed_nor_waited_for(
    home: Home, make: Callable[[Path], None], expected: str
) -> None:
    path = put(home, b"", "x").with_name(NAME)
    make(path)
    assert expected in reason(path)
    moved = dropfiles.move(path, "failed", expected)
    assert not os.path.lexists(path)
    assert os.path.lexists(moved)
    make(path)  # the same name again
    again = dropfiles.move(path, "failed", expected)
    assert not os.path.lexists(path)
    assert os.path.lexists(again)


def test_a_socket_is_no_regular_file(home: Home) -> None:
    path = put(home, b"", "x").with_name(NAME)
    _socket(path)
    assert "not a regular file" in reason(path)


def test_a_file_that_is_gone_is_not_bad(home: Home) -> None:
    with pytest.raises(FileNotFoundError):
        dropfiles.read_dropfile(home.inbox / "incoming" / NAME)


def test_waiting_is_limited_and_skips_unfinished_files(home: Home) -> None:
    assert dropfiles.waiting(home) == []
    for name in ("b.json", ".hidden", "a.tmp", ".a.json.tmp", "a.json", "c.json"):
        put(home, b"", name)
    assert [path.name for path in dropfiles.waiting(home)] == ["a.json", "b.json", "c.json"]
    assert [path.name for path in dropfiles.waiting(home, 1)] == ["a.json"]


def test_moving_again_is_no_error(home: Home) -> None:
    path = put(home, GOOD)
    done = dropfiles.move(path, "done")
    assert not path.exists()
    assert dropfiles.read_dropfile(done).received_at == AT
    assert dropfiles.move(path, "done") == done  # another reader was quicker
    put(home, GOOD)  # committed, then crashed before the move
    assert dropfiles.move(path, "done") == done
    assert [entry.name for entry in done.parent.iterdir()] == [NAME]


def test_prune_deletes_old_files_that_are_done_or_never_finished(home: Home) -> None:
    names = [f"20261120T120000.12345{digit}Z-jira-0123456789abcdef.json" for digit in range(4)]
    old, new, waits, bad = (put(home, GOOD, name) for name in names)
    aged = [
        dropfiles.move(old, "done"),
        put(home, b"half", ".half.json.tmp"),
        waits,
        dropfiles.move(bad, "failed", "why"),
    ]
    kept = dropfiles.move(new, "done")
    (home.inbox / "incoming" / ".folder").mkdir()
    for path in aged:
        os.utime(path, (AT.timestamp(), AT.timestamp()))
    assert dropfiles.prune_processed(home, AT) == 0
    assert dropfiles.prune_processed(home, AT + timedelta(seconds=1)) == 2
    assert [path.exists() for path in aged] == [False, False, True, True]
    assert kept.exists()


def test_prune_deletes_files_that_failed_long_ago_with_their_reason(home: Home) -> None:
    def failed(name: str, content: bytes = b"") -> Path:
        return dropfiles.move(put(home, content, name), "failed", "why")

    elsewhere = put(home, b"not mine", "x").rename(home.inbox / "elsewhere")
    link, folder = put(home, b"", "x").with_name("link"), put(home, b"", "x").with_name("folder")
    link.symlink_to(elsewhere)
    (folder / "within").mkdir(parents=True)
    old = [failed("old.json"), *(dropfiles.move(path, "failed", "why") for path in (link, folder))]
    by_a_wrong_clock, new = failed("wrong.json"), failed("new.json")
    os.utime(by_a_wrong_clock, (0, 0))
    for path in old:
        os.utime(path.with_name(f"{path.name}.reason.txt"), (AT.timestamp(), AT.timestamp()))
    assert dropfiles.prune_failed(home, AT) == 0
    assert dropfiles.prune_failed(home, AT + timedelta(seconds=1)) == 3
    kept = {by_a_wrong_clock.name, new.name}
    assert {path.name for path in new.parent.iterdir()} == kept | {f"{name}.reason.txt" for name in kept}
    assert elsewhere.read_bytes() == b"not mine"


def test_write_rejects_what_a_reader_would_reject(home: Home) -> None:
    for source, body, delivery in (
        ("trello", b"", None),
        ("jira", b"x" * (dropfiles.MAX_BYTES + 1), None),
        ("jira", b'"' * 20_000_000, None),
        ("jira", b"", "a b"),
    ):
        with pytest.raises(ImpulsumError) as raised:
            dropfiles.write_dropfile(home, source, body, headers={}, delivery=delivery)
        assert raised.value.category is Category.BAD_DATA
    assert dropfiles.waiting(home) == []


def test_a_disk_that_fails_half_way_leaves_nothing(home: Home) -> None:
    """In a process of its own, in which no file may become larger than 8 kB."""
    script = (
        "import signal\n"
        "from impulsum_pipelines.base.home import Home\n"
        "from impulsum_pipelines.settings import load_settings\n"
        "from impulsum_pipelines.webhooks.receiving import dropfiles\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "home = Home.of(load_settings())\n"
        "dropfiles.write_dropfile(home, 'jira', b'small', headers={})\n"
        "try:\n"
        "    dropfiles.write_dropfile(home, 'jira', b'x' * 100_000, headers={})\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000)),
    )
    assert done.stdout.strip() == "File too large"
    assert [dropfiles.read_dropfile(path).body for path in dropfiles.waiting(home)] == [b"small"]
    assert len(list((home.inbox / "incoming").iterdir())) == 1
