"""The file ``.env``: what the command line and ``impulsum dev`` take from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from impulsum_pipelines.cli import main
from impulsum_pipelines.cli.dev import dagster_dev
from impulsum_pipelines.settings import load_settings, read_env_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working folder, in which ``.env`` is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHON_DOTENV_DISABLED")
    before = dict(os.environ)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code


def test_the_command_line_reads_the_file_and_the_environment_wins(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / ".env").write_text("IMPULSUM_HOME=of-the-file\nIMPULSUM_TIMEZONE='Asia/Tokyo'  # a comment\n")
    monkeypatch.delenv("IMPULSUM_HOME")
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "Europe/Berlin")
    assert run("doctor", "--json") in {None, 0}
    said = {diagnosis["subject"]: diagnosis["says"] for diagnosis in json.loads(capsys.readouterr().out)}
    assert said["state folder"].startswith(str(folder / "of-the-file"))
    assert said["settings"].startswith("zone Europe/Berlin")


def test_an_error_names_the_file_and_keeps_the_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_text("IMPULSUM_TIMEZONE=Mars/Olympus\nJIRA_API_TOKEN=s3cr3t-value\n")
    assert run("status") == 2
    said = capsys.readouterr()
    assert "IMPULSUM_TIMEZONE: 'Mars/Olympus' is not an IANA time zone" in " ".join(said.err.split())
    assert f"correct it in {folder / '.env'}, and run again" in said.err.replace("\n", " ")
    assert "s3cr3t" not in said.err + said.out


def test_a_file_that_cannot_be_read_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".env").write_bytes(b"SLACK_BOT_TOKEN=\xff\xfe\n")
    assert run("status") == 2
    assert "it is not UTF-8" in capsys.readouterr().err


def test_dagster_gets_the_same_values(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dagster prefers a ``.env`` of its working folder to the environment, so there is none."""
    (folder / ".env").write_text(
        "JIRA_BASE_URL=https://file.example\nGITHUB_TOKEN=of-the-file\nIMPULSUM_PEOPLE=who.csv\n"
    )
    monkeypatch.setenv("JIRA_BASE_URL", "https://environment.example")
    monkeypatch.setenv("IMPULSUM_HOME", "state")
    read_env_file(folder)
    start = dagster_dev(load_settings(), port=3123)
    assert start.environment["JIRA_BASE_URL"] == "https://environment.example"
    assert start.environment["GITHUB_TOKEN"] == "of-the-file"
    assert start.environment["IMPULSUM_HOME"] == str(folder / "state")
    assert start.environment["IMPULSUM_PEOPLE"] == str(folder / "who.csv")
    assert start.environment["DAGSTER_HOME"] == str(start.folder) == str(folder / "state" / "dagster")
    assert (start.folder / "dagster.yaml").exists() and not (start.folder / ".env").exists()
    assert Path(start.command[0]).exists() and "3123" in start.command
