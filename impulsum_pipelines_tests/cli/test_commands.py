"""The commands that need no run: their output and their exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.cli import main
from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines_tests.conftest import on_sqlite
from impulsum_pipelines_tests.publishing import warehouse


class Shell:
    """Runs the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, stdout, stderr."""
        with pytest.raises(SystemExit) as left:
            main(arguments)
        code = left.value.code
        assert code is None or isinstance(code, int)
        out, err = self._capsys.readouterr()
        return code or 0, out, err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    for name in ("JIRA_BASE_URL", "JIRA_EMAIL", "JIRA_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def impulsum(capsys: pytest.CaptureFixture[str], home: Path) -> Shell:
    return Shell(capsys)


def test_sql_before_the_first_publish_says_what_to_do(impulsum: Shell) -> None:
    code, out, err = impulsum("sql", "select 1")
    assert (code, out) == (1, "")
    assert "Nothing is published yet" in err and "impulsum build" in err
    assert "Traceback" not in err


def test_sql_prints_tables_json_and_csv(impulsum: Shell, home: Path) -> None:
    warehouse.build(home)
    publish(warehouse.settings_at(home))
    statement = "select sprint_id, committed_points from velocity.sprint_velocity order by all limit 2"

    code, out, err = impulsum("sql", statement)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["sprint_id", "committed_points"],
        ["0", "10.5"],
        ["1", "10.5"],
    ]
    assert "2 rows" in err

    code, out, _ = impulsum("sql", statement, "--json")
    assert json.loads(out) == [
        {"sprint_id": "0", "committed_points": 10.5},
        {"sprint_id": "1", "committed_points": 10.5},
    ]

    code, out, _ = impulsum("sql", statement, "--csv")
    assert out == "sprint_id,committed_points\n0,10.500\n1,10.500\n"


def test_sql_cannot_change_the_file_and_explains_a_wrong_statement(impulsum: Shell, home: Path) -> None:
    warehouse.build(home)
    publish(warehouse.settings_at(home))
    for statement, message in (("drop table core.issues", "read-only"), ("from nowhere", "nowhere")):
        code, out, err = impulsum("sql", statement)
        assert (code, out) == (2, "")
        assert message in err and "Next:" in err


def test_json_and_csv_cannot_be_combined(impulsum: Shell) -> None:
    assert impulsum("sql", "select 1", "--json", "--csv")[0] == 2


def test_sync_of_a_source_that_is_off_names_what_to_set(impulsum: Shell) -> None:
    code, out, err = impulsum("sync", "jira")
    assert (code, out) == (2, "")
    assert all(name in err for name in ("JIRA_BASE_URL", "JIRA_EMAIL", "JIRA_API_TOKEN"))


def test_sync_of_an_unknown_source_names_the_known_ones(impulsum: Shell) -> None:
    code, _, err = impulsum("sync", "jirra")
    assert code == 2
    assert "choose one of: jira" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "not a day"),
        (("--until", "2026-11-01"), "--until needs --since"),
        (("--since", "2024-02-01", "--until", "2024-01-01"), "not a range within"),
        (("--since", "1999-01-01"), "IMPULSUM_START_DATE"),
        (("--since", "2999-01-01"), "not a range within"),
    ],
)
def test_sync_refuses_days_that_make_no_sense(
    impulsum: Shell, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    for name in ("JIRA_BASE_URL", "JIRA_EMAIL", "JIRA_API_TOKEN"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    code, _, err = impulsum("sync", "jira", *arguments)
    assert code == 2
    assert message in err


def test_a_wrong_setting_is_named(impulsum: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMPULSUM_TIMEZONE", "Mars/Olympus")
    code, _, err = impulsum("status")
    assert code == 2
    assert "IMPULSUM_TIMEZONE" in err and "Mars/Olympus" in err


def test_every_wrong_setting_of_a_source_is_named_by_its_variable(
    impulsum: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JIRA_CONCURRENCY", "99")
    monkeypatch.setenv("NOTION_RESTRICTED", "not-an-id")
    code, _, err = impulsum("status")
    assert code == 2
    assert "JIRA_CONCURRENCY: Input should be less than or equal to 20" in err
    assert "NOTION_RESTRICTED: 'not-an-id'" in err


def test_variables_of_other_programs_are_ignored(impulsum: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JIRA": "x", "GITHUB": "{", "GITHUB_ACTIONS": "true", "SLACK_BOT_TOKEN": ""}.items():
        monkeypatch.setenv(name, value)
    code, out, err = impulsum("status")
    assert code == 0, err
    assert "SLACK_BOT_TOKEN not set" in out


def test_status_of_an_empty_home(impulsum: Shell, home: Path) -> None:
    code, out, err = impulsum("status")
    assert code == 0
    assert "jira" in out and "JIRA_API_TOKEN" in out and "never" in out
    assert "Nothing is published yet" in err

    code, out, _ = impulsum("status", "--json")
    document = json.loads(out)
    assert document["home"] == str(home)
    assert document["published"] is None
    assert document["sources"]["jira"]["configured"] is False
    assert document["sources"]["jira"]["last_sync"] is None


def test_versions_and_rollback(impulsum: Shell, home: Path) -> None:
    names = []
    for generation in (1, 2):
        warehouse.build(home, generation)
        names.append(publish(warehouse.settings_at(home)).version)

    code, out, _ = impulsum("versions", "--json")
    assert [(v["version"], v["current"]) for v in json.loads(out)] == [(names[1], True), (names[0], False)]

    code, _, err = impulsum("rollback", names[0])
    assert code == 0 and names[0] in err
    assert warehouse.generations(home / "impulsum.duckdb") == {(1, 1)}

    code, _, err = impulsum("rollback", "nothing")
    assert code == 2 and names[0] in err


def test_sandbox_env_points_at_the_port(impulsum: Shell) -> None:
    code, out, _ = impulsum("sandbox", "env", "--port", "4711")
    assert code == 0
    assert "export JIRA_BASE_URL=http://127.0.0.1:4711" in out.splitlines()
    assert all(line.startswith("export ") for line in out.splitlines())


@pytest.mark.parametrize("arguments", [("--now", "2026-11-01"), ("--jira-export", "nowhere.jsonl.gz")])
def test_sandbox_refuses_what_it_cannot_serve(impulsum: Shell, arguments: tuple[str, ...]) -> None:
    assert impulsum("sandbox", "serve", *arguments)[0] == 2


def test_sandbox_says_that_its_port_is_taken(impulsum: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, out, err = impulsum("sandbox", "serve", "--port", port)
    assert (code, out) == (2, "")
    assert f"Port {port}" in err and "--port" in err and "Traceback" not in err


def test_dagster_home_is_made_ready(impulsum: Shell, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    code, out, _ = impulsum("dagster-home")
    assert (code, out) == (0, f"{home / 'dagster'}\n")
    assert (home / "dagster" / "dagster.yaml").exists()

    monkeypatch.setenv("DAGSTER_HOME", str(home / "elsewhere"))
    assert impulsum("dagster-home")[1] == f"{home / 'elsewhere'}\n"


def diagnoses(out: str) -> dict[str, Any]:
    """The output of `doctor --json`, by subject."""
    return {diagnosis["subject"]: diagnosis for diagnosis in json.loads(out)}


@on_sqlite
def test_doctor_says_what_is_off_and_what_is_wrong(
    impulsum: Shell, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = diagnoses(impulsum("doctor", "--json")[1])
    assert found["settings"]["state"] == "ok"
    assert found["jira"]["state"] == "off"
    assert found["state folder"]["state"] == "ok"
    assert found["ops store"]["says"] == found["Dagster's storage"]["says"] == "SQLite"

    monkeypatch.setenv("IMPULSUM_BUSINESS_HOURS", "late")
    code, out, err = impulsum("doctor")
    assert code == 1
    assert "problem" in out and "IMPULSUM_BUSINESS_HOURS" in out
    assert "correct it in the environment" in err


@pytest.mark.parametrize("address", ["postgres://ops:s3cret@127.0.0.1/ops", "mysql://ops:s3cret@127.0.0.1/ops"])
def test_doctor_reports_an_address_that_is_not_postgresql(
    address: str, impulsum: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("IMPULSUM_OPS_URL", "DAGSTER_POSTGRES_URL"):
        monkeypatch.setenv(variable, address)
    code, out, err = impulsum("doctor", "--json")
    found = diagnoses(out)
    assert code == 1
    assert found["ops store"]["state"] == found["Dagster's storage"]["state"] == "problem"
    assert err.count("postgresql+psycopg2://") == 2 and "s3cret" not in out + err
    monkeypatch.setenv("IMPULSUM_OPS_URL", "sqlite:///ops.sqlite")
    assert diagnoses(impulsum("doctor", "--json")[1])["ops store"]["says"] == "SQLite"


def test_doctor_says_which_database_it_cannot_reach(
    impulsum: Shell, monkeypatch: pytest.MonkeyPatch, postgres_server: Any
) -> None:
    with postgres_server.database() as url:
        monkeypatch.setenv("IMPULSUM_OPS_URL", url)
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", "postgresql+psycopg2://dagster:s3cret@127.0.0.1:9/dagster")
        code, out, err = impulsum("doctor", "--json")
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
        for zone, state in (("Asia/Tokyo", "problem"), ("UTC", "ok")):
            monkeypatch.setenv("PGTZ", zone)
            assert diagnoses(impulsum("doctor", "--json")[1])["Dagster's storage"]["state"] == state
    found = diagnoses(out)
    assert code == 1
    assert found["ops store"]["says"].startswith("PostgreSQL, database test_")
    assert found["Dagster's storage"]["state"] == "problem"
    assert "refused" in found["Dagster's storage"]["says"]
    assert "write DAGSTER_POSTGRES_URL as" in err and "s3cret" not in out + err
