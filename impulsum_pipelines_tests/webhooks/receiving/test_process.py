"""The receiver as a process: however it ends, every delivery that it answered with 2xx is on the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import orjson
import pytest
import requests

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli import main
from impulsum_pipelines.webhooks.receiving import dropfiles
from impulsum_pipelines.webhooks.receiving.vendors import VENDORS
from impulsum_pipelines_tests.webhooks.conftest import SECRET

COMMAND = [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", "webhooks", "serve"]


@contextmanager
def serving(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run ``impulsum webhooks serve``; yields the process and its URL for Slack."""
    environment = {**os.environ, "SLACK_WEBHOOK_SECRET": SECRET}
    with subprocess.Popen(
        [*COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout
            lines = [process.stdout.readline() for _ in VENDORS]
            assert [line.split()[1] for line in lines] == ["refused,", "refused,", "signed", *["refused,"] * 3]
            yield process, lines[2].split()[0]
        finally:
            process.kill()


class Sender(threading.Thread):
    """Sends events one by one until the receiver stops; ``answered`` has the ids of those that got 2xx."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(daemon=True)
        self.url, self.prefix = url, prefix
        self.sent = 0
        self.answered: set[str] = set()

    def run(self) -> None:
        with requests.Session() as session:
            while True:
                name = f"{self.prefix}-{self.sent}"
                body = orjson.dumps({"event_id": name, "event": {"text": "x" * 2_000}})
                headers = VENDORS["slack"].scheme.sign(SECRET, body, datetime.now(UTC))
                self.sent += 1
                try:
                    answer = session.post(self.url, data=body, headers=headers, timeout=10)
                except requests.RequestException:
                    return
                assert answer.status_code == 200
                self.answered.add(name)


def test_every_answered_delivery_is_stored_however_the_process_ends(home: Home) -> None:
    stored: set[str] = set()
    for how in (signal.SIGKILL, signal.SIGTERM):
        with serving() as (process, url):
            senders = [Sender(url, f"{how.name}-{number}") for number in range(6)]
            for sender in senders:
                sender.start()
            while sum(len(sender.answered) for sender in senders) < 60:
                time.sleep(0.005)
            process.send_signal(how)
            # After SIGTERM the process ends by the signal, or by itself once running requests are finished.
            assert process.wait(timeout=20) in ({-how, 0} if how is signal.SIGTERM else {-how})
            for sender in senders:
                sender.join(timeout=20)
        answered = set[str]().union(*(sender.answered for sender in senders))
        found = [dropfiles.read_dropfile(path).delivery for path in dropfiles.waiting(home, 100_000)]
        assert len(found) == len(set(found))
        before, stored = stored, {delivery for delivery in found if delivery}
        assert before <= stored, "of the receiver before"
        assert answered <= stored - before
        assert len(stored - before) <= sum(sender.sent for sender in senders)
        if how is signal.SIGTERM:
            assert stored - before == answered, "running requests are finished and answered"


def test_a_port_in_use_is_reported_and_a_stop_takes_no_longer_than_the_running_requests(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as (process, url):
        port = url.split(":")[2].split("/")[0]
        with pytest.raises(SystemExit) as refused:
            main(["webhooks", "serve", "--port", port])
        out, err = capsys.readouterr()
        assert (refused.value.code, out) == (2, "")
        assert f"cannot listen on port {port} of 127.0.0.1" in err
        with requests.Session() as idle:
            assert idle.get(f"{url.rsplit('/', 2)[0]}/health", timeout=10).ok
            started = time.monotonic()
            process.terminate()
            process.wait(timeout=10)
        assert time.monotonic() - started < 3
        assert process.stderr
        noted = process.stderr.read()
    assert "The receiver listens on http://127.0.0.1:" in noted
    assert "Other machines" not in noted


def test_listening_on_all_addresses_warns_and_logs() -> None:
    with serving("--host", "0.0.0.0") as (process, url):  # noqa: S104
        assert requests.post(url.replace("0.0.0.0", "127.0.0.1"), data=b"{}", timeout=10).status_code == 401  # noqa: S104
        process.terminate()
        assert process.stderr
        noted = process.stderr.read()
    assert "Other machines can reach" in noted
    assert "POST slack 401" in noted
