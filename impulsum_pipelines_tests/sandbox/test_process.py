"""The sandbox as a process of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import orjson
import requests

from impulsum_pipelines.sandbox.server import env_lines, env_of


def test_it_prints_when_it_listens_and_writes_the_truth(tmp_path: Path) -> None:
    truth = tmp_path / "truth.json"
    command = [sys.executable, "-m", "impulsum_pipelines.sandbox", "--port", "0", "--seed", "5", "--issues", "40"]
    command += ["--now", "2026-11-01T00:00:00Z", "--truth", str(truth)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            found = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())
            assert found
            env = env_of(found[0])
            login = (env["JIRA_EMAIL"], env["JIRA_API_TOKEN"])
            assert requests.get(f"{found[0]}/rest/api/3/myself", auth=login, timeout=30).ok
            served = requests.get(f"{found[0]}/_sandbox/truth", timeout=30).json()
            assert orjson.loads(truth.read_bytes())["sprints"] == served["sprints"]
            assert served["seed"] == 5
        finally:
            process.terminate()


def test_the_command_line_serves_as_slowly_as_asked() -> None:
    command = [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", "sandbox", "serve"]
    command += ["--port", "0", "--issues", "1", "--latency-ms", "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout
            env = dict(process.stdout.readline().removeprefix("export ").strip().split("=", 1) for _ in range(3))
            login = (env["JIRA_EMAIL"], env["JIRA_API_TOKEN"])
            while (answer := requests.get(f"{env['JIRA_BASE_URL']}/rest/api/3/myself", auth=login, timeout=30)).ok:
                if answer.elapsed.total_seconds() >= 0.4:
                    break
            assert answer.ok
        finally:
            process.terminate()


def test_env_lines_point_every_source_at_the_port() -> None:
    assert "export JIRA_BASE_URL=http://127.0.0.1:8765" in env_lines(8765)
