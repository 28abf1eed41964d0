"""The receiver over HTTP: what it stores, what it rejects, and that a rejected delivery leaves nothing behind."""

from __future__ import annotations

import json
import logging
import socket
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS
from impulsum_pipelines_tests.webhooks.conftest import SECRET, RunningReceiver

Start = Callable[..., RunningReceiver]
#: Where each vendor puts the delivery id: headers, and fields of the body.
IDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "jira": ({"X-Atlassian-Webhook-Identifier": "id-1"}, {}),
    "github": ({"X-GitHub-Delivery": "id-1"}, {}),
    "slack": ({"X-Slack-Retry-Num": "1"}, {"event_id": "id-1"}),
    "fireflies": ({}, {}),
    "notion": ({}, {"id": "id-1"}),
    "tempo": ({}, {"eventId": "id-1"}),
}


@pytest.mark.parametrize("source", VENDORS)
def test_a_signed_delivery_is_stored_as_it_came(receiver: Start, source: str) -> None:
    receiving = receiver()
    headers, fields = IDS[source]
    body = json.dumps({"text": "ü 😀", **fields}, indent=1).encode()
    before = datetime.now(UTC)
    answer = receiving.deliver(source, body, **headers, Cookie="private", Authorization="Bearer private")
    assert answer.status_code == 200
    (stored,) = receiving.stored()
    assert (stored.source, stored.body, stored.signature) == (source, body, "valid")
    assert stored.delivery == ("id-1" if headers or fields else None)
    assert before <= stored.received_at <= datetime.now(UTC)
    assert {name.lower(): value for name, value in headers.items()}.items() <= stored.headers.items()
    assert b"private" not in stored.path.read_bytes()
    assert VENDORS[source].scheme.header not in stored.headers


@pytest.mark.parametrize("source", VENDORS)
def test_a_delivery_that_is_not_from_the_vendor_is_rejected_and_not_stored(receiver: Start, source: str) -> None:
    receiving = receiver()
    now = datetime.now(UTC)
    signed = VENDORS[source].scheme.sign(SECRET, b"{}", now)
    assert receiving.post(source, b"{}").status_code == 401
    assert receiving.post(source, b"{} ", signed).status_code == 401
    assert receiving.deliver(source, b"{}", secret="another").status_code == 401
    if VENDORS[source].scheme.stamp:
        for days in (-1, 1):
            answer = receiving.deliver(source, b"{}", at=now + timedelta(days=days))
            assert answer.status_code == 401
            assert "from now" in answer.json()["error"]
    assert receiving.stored() == []


def test_a_repeated_delivery_is_stored_once(receiver: Start) -> None:
    receiving = receiver()
    for number in range(3):
        body = json.dumps({"id": "event-1", "attempt_number": number}).encode()
        assert receiving.deliver("notion", body).status_code == 200
    for identifier in ("a", "b", "a"):
        headers: dict[str, Any] = {"X-Atlassian-Webhook-Identifier": identifier}
        assert receiving.deliver("jira", b"{}", **headers).status_code == 200
    for _ in range(2):
        assert receiving.deliver("fireflies", b'{"meeting_id": 1}').status_code == 200
    assert sorted(stored.delivery or "" for stored in receiving.stored()) == ["", "a", "b", "event-1"]


def test_a_delivery_that_comes_many_times_at_once_is_stored_once(receiver: Start) -> None:
    receiving = receiver()
    bodies = [json.dumps({"event_id": f"Ev{number % 5}"}).encode() for number in range(60)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda body: receiving.deliver("slack", body).status_code, bodies))
    assert set(answers) == {200}
    assert sorted(stored.delivery or "" for stored in receiving.stored()) == [f"Ev{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("source", "headers", "fields"),
    [
        ("slack", {}, {"event_id": "a\0b"}),
        ("slack", {}, {"event_id": ["a"]}),
        ("tempo", {}, {"eventId": "x" * 300}),
        ("github", {"X-GitHub-Delivery": "ü".encode("latin-1").decode("latin-1")}, {}),
    ],
)
def test_an_id_that_no_database_could_store_is_none(
    receiver: Start, source: str, headers: dict[str, Any], fields: dict[str, object]
) -> None:
    receiving = receiver()
    assert receiving.deliver(source, json.dumps(fields).encode(), **headers).status_code == 200
    (stored,) = receiving.stored()
    assert stored.delivery is None


@pytest.mark.parametrize("body", [b"", b"\xff\xfe\x00", b"payload=%7B%7D", b"[" * 100_000, b"null"])
def test_a_signed_body_that_is_no_event_is_stored_too(receiver: Start, body: bytes) -> None:
    """Its reader decides later what is wrong with it."""
    receiving = receiver()
    assert receiving.deliver("github", body).status_code == 200
    assert [stored.body for stored in receiving.stored()] == [body]


def test_a_source_without_a_secret_is_rejected_unless_allowed(receiver: Start) -> None:
    closed = receiver({"github": SECRET})
    answer = closed.post("jira", b"{}")
    assert answer.status_code == 403
    assert "JIRA_WEBHOOK_SECRET is not set" in answer.json()["error"]
    assert closed.stored() == []
    opened = receiver({"github": SECRET}, allow_unsigned=True)
    assert opened.post("jira", b"{}").status_code == 200
    assert opened.post("github", b"{}").status_code == 401
    assert [(stored.source, stored.signature) for stored in opened.stored()] == [("jira", "unsigned")]


def test_a_secret_is_replaced_without_a_gap(receiver: Start) -> None:
    receiving = receiver({"tempo": "first, second"})
    for secret, status in (("first", 200), ("second", 200), ("first, second", 401), ("", 401)):
        assert receiving.deliver("tempo", b"{}", secret=secret).status_code == status


def test_an_unknown_path_or_method_is_rejected(receiver: Start) -> None:
    receiving = receiver()
    assert receiving.deliver("jira", b"{}").ok
    assert receiving.post("trello", b"{}").status_code == 404
    assert requests.get(f"{receiving.url}/webhooks/jira", timeout=10).status_code == 405
    assert requests.put(f"{receiving.url}/webhooks/jira", timeout=10).status_code == 405
    assert requests.get(f"{receiving.url}/", timeout=10).status_code == 404
    assert len(receiving.stored()) == 1


def test_the_challenge_of_slack_is_answered_only_when_it_is_signed(receiver: Start) -> None:
    receiving = receiver()
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    body = json.dumps({"token": "t", "challenge": challenge, "type": "url_verification"}).encode()
    assert receiving.deliver("slack", body).json() == {"challenge": challenge}
    assert receiving.deliver("slack", body, secret="another").status_code == 401
    assert receiving.stored() == []


def test_the_random_string_of_tempo_is_answered(receiver: Start) -> None:
    receiving = receiver({})
    url = f"{receiving.url}/webhooks/tempo"
    answer = requests.get(url, {"randomString": "MM08aZbMmzg7B6Mvqauv" * 6}, timeout=10)
    assert (answer.status_code, answer.text) == (200, "MM08aZbMmzg7B6Mvqauv" * 6)
    assert answer.headers["content-type"].startswith("text/plain")
    for wrong in ({}, {"randomString": ""}, {"randomString": "a\nb"}, {"randomString": "a" * 300}):
        assert requests.get(url, wrong, timeout=10).status_code == 400


def test_the_secret_of_notion_is_stored_once(receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    receiving = receiver({})
    secret = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl"
    with caplog.at_level(logging.INFO):
        assert receiving.post("notion", json.dumps({"verification_token": secret}).encode()).status_code == 200
    kept = receiving.home.root / "webhooks" / "notion-secret"
    assert kept.read_text() == f"{secret}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert list(kept.parent.iterdir()) == [kept]
    assert str(kept) in caplog.text
    assert "NOTION_WEBHOOK_SECRET" in caplog.text
    assert secret[:12] not in caplog.text
    assert receiving.post("notion", b'{"id": "e"}').status_code == 403

    knowing = receiver({"notion": secret})
    assert knowing.post("notion", b'{"verification_token": "forged"}').status_code == 401
    assert knowing.deliver("notion", json.dumps({"verification_token": secret}).encode(), secret=secret).ok
    assert kept.read_text() == f"{secret}\n"
    assert knowing.deliver("notion", b'{"id": "e"}', secret=secret).ok
    assert [stored.delivery for stored in knowing.stored()] == ["e"]


def test_a_ping_of_github_is_an_event(receiver: Start) -> None:
    receiving = receiver()
    assert receiving.deliver("github", b'{"zen": "Design for failure."}', X_GitHub_Event="ping").ok
    (stored,) = receiving.stored()
    assert stored.headers["x-github-event"] == "ping"


def exchange(receiving: RunningReceiver, head: str, body: bytes = b"") -> bytes:
    """Send bytes, and read the first line of the answer before the rest is sent."""
    where = urlsplit(receiving.url)
    with socket.create_connection((where.hostname, where.port or 0), timeout=20) as connection:
        connection.sendall(f"POST /webhooks/jira HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
        return connection.recv(4096).split(b"\r\n")[0]


def test_a_body_that_is_too_large_is_rejected_before_it_is_read(receiver: Start) -> None:
    receiving = receiver()
    assert b"413" in exchange(receiving, f"Content-Length: {dropfiles.MAX_BYTES + 1}")
    assert b"413" in exchange(receiving, f"Content-Length: {'9' * 18}", b"x" * 1000)
    assert receiving.post("jira", b"x" * (dropfiles.MAX_BYTES + 1)).status_code == 413
    chunk = b"x" * (1 << 20)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for _ in range(26))
    assert b"413" in exchange(receiving, "Transfer-Encoding: chunked", chunked)
    assert receiving.deliver("jira", b'"' * (dropfiles.MAX_BYTES - 100)).status_code == 413  # doubled by escapes
    assert receiving.stored() == []
    large = b"x" * (dropfiles.MAX_BYTES - 1000)
    assert receiving.deliver("jira", large).status_code == 200
    assert receiving.stored()[0].body == large


def test_a_body_that_does_not_arrive_in_time_is_rejected(receiver: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impulsum_pipelines.webhooks.receiving.receiver._ARRIVAL", 0.2)
    receiving = receiver()
    assert b"408" in exchange(receiving, "Content-Length: 100", b"half")
    assert receiving.stored() == []
    assert receiving.deliver("jira", b"{}").ok


def test_a_sender_that_closes_the_connection_leaves_nothing(receiver: Start) -> None:
    receiving = receiver()
    where = urlsplit(receiving.url)
    for head in ("Content-Length: 1000000", "Content-Length: 100", "Transfer-Encoding: chunked"):
        with socket.create_connection((where.hostname, where.port or 0), timeout=20) as connection:
            connection.sendall(f"POST /webhooks/jira HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    assert receiving.deliver("jira", b"{}").ok
    assert len(receiving.stored()) == 1


def test_while_the_disk_refuses_vendors_are_asked_to_try_again(receiver: Start) -> None:
    receiving = receiver()
    inbox = receiving.home.inbox
    inbox.parent.mkdir(parents=True)
    inbox.write_text("in the way")
    health = f"{receiving.url}/health"
    for _ in range(2):  # a failure does not count as stored
        answer = receiving.deliver("jira", b"{}", X_Atlassian_Webhook_Identifier="a")
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
    assert requests.get(health, timeout=10).status_code == 503
    inbox.unlink()
    assert receiving.deliver("jira", b"{}", X_Atlassian_Webhook_Identifier="a").status_code == 200
    assert requests.get(health, timeout=10).json() == {"status": "ok"}
    assert [stored.delivery for stored in receiving.stored()] == ["a"]
    assert len(list((inbox / "incoming").iterdir())) == 1


def test_a_slow_disk_does_not_block_other_requests(receiver: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    receiving = receiver()
    written = dropfiles.durable.write_durably

    def slow(path: Path, data: bytes) -> None:
        time.sleep(1.5)
        written(path, data)

    assert requests.get(f"{receiving.url}/health", timeout=10).ok
    monkeypatch.setattr(dropfiles.durable, "write_durably", slow)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(receiving.deliver, "jira", b"%d" % number) for number in range(8)]
        time.sleep(0.2)
        started = time.perf_counter()
        assert requests.get(f"{receiving.url}/webhooks/tempo?randomString=a", timeout=10).ok
        assert time.perf_counter() - started < 1
        assert all(answer.result().ok for answer in answers)
    assert time.perf_counter() - started < 5
    assert len(receiving.stored()) == 8


def test_the_log_says_what_happened_and_no_secret(receiver: Start, caplog: pytest.LogCaptureFixture) -> None:
    receiving = receiver()
    with caplog.at_level(logging.INFO):
        receiving.deliver("slack", b'{"event_id": "private"}')
        receiving.post("jira", b"private", {"Authorization": "private", "X-Hub-Signature": "private"})
        requests.get(f"{receiving.url}/webhooks/tempo?randomString=private", timeout=10)
        receiving.post("a%0Ab", b"")
        time.sleep(0.1)
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("impulsum_pipelines.webhooks")]
    assert [line.split(",")[0] for line in ours] == [
        *("POST slack 200", "POST jira 401", "GET tempo 200", "POST 'a\\nb' 404")
    ]
    assert "private" not in "".join(ours)
    assert SECRET not in caplog.text
