"""``impulsum demo``: where its data goes, what it shows, and that it touches nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.cli import main
from impulsum_pipelines.cli.commands import demo
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import Settings, load_settings
from impulsum_pipelines.sources.registry import is_configured, why_off
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.truth import differences, velocity


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the demo is started; IMPULSUM_HOME is ``home`` in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_home_that_is_new_empty_or_a_demos_is_used(folder: Path) -> None:
    home = folder / "home"
    assert demo.choose_home(load_settings()).root == home
    home.mkdir()
    assert demo.choose_home(load_settings()).root == home
    Home(home).mark_demo("http://127.0.0.1:1")
    (home / "impulsum.duckdb").touch()
    assert demo.choose_home(load_settings()).root == home


def test_without_a_chosen_home_the_demo_has_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IMPULSUM_HOME")
    (folder / ".impulsum").mkdir()
    assert demo.choose_home(load_settings()).root == folder / ".impulsum-demo"


def test_a_home_with_other_data_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "home" / "raw").mkdir(parents=True)
    (folder / "home" / "raw" / "jira.duckdb").write_text("real")
    before = files(folder)
    assert demo.choose_home(load_settings()).root == folder / ".impulsum-demo"
    said = capsys.readouterr().err
    assert str(folder / "home") in said and str(folder / ".impulsum-demo") in said
    assert files(folder) == before

    (folder / ".impulsum-demo").mkdir()
    (folder / ".impulsum-demo" / "mine.csv").touch()
    before = files(folder)
    with pytest.raises(ImpulsumError, match="not a demo's") as refused:
        demo.choose_home(load_settings())
    assert refused.value.category is Category.CONFIGURATION
    assert files(folder) == before


def test_the_demo_runs_with_settings_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is exported, invented data goes to no other home, store, channel or history."""
    exported = {
        "IMPULSUM_OPS_URL": "postgresql://real/ops",
        "IMPULSUM_ALERT_CHANNELS": "jsons://real",
        "DAGSTER_HOME": str(folder / "real"),
        "JIRA_API_TOKEN": "real",
        "JIRA_PROJECTS": "REAL",
        "NOTION_RESTRICTED": "0" * 32,
    }
    for name, value in exported.items():
        monkeypatch.setenv(name, value)
    raw = folder / "home" / "raw"
    raw.mkdir(parents=True)
    Home(folder / "home").mark_demo("http://127.0.0.1:1")
    (raw / "jira.duckdb").write_text("of an earlier demo")
    seen: list[Settings] = []

    def run_job(name: str, settings: Settings, **options: object) -> None:
        seen.append(settings)
        assert not any(value.startswith("postgresql") or "real" in value for value in os.environ.values())
        assert not raw.exists()
        assert all(is_configured(source, settings) for source in ("jira", "github", "slack", "tempo"))
        raise ImpulsumError(Category.INTERNAL, "stopped here", next_step="go on.")

    monkeypatch.setattr(demo, "run_job", run_job)
    with pytest.raises(SystemExit):
        main(["demo", "--issues", "1"])
    [settings] = seen
    assert settings.home == folder / "home" and settings.impulsum_ops_url is None
    assert not settings.jira.projects and not settings.notion.restricted and not settings.impulsum_alert_channels
    assert json.loads((folder / "home" / "truth.json").read_text())["seed"] == 1
    assert {name: os.environ[name] for name in exported} == exported


def test_nothing_but_its_sandbox_is_pulled_into_a_demos_home(folder: Path, sandbox: SandboxFactory) -> None:
    own = sandbox(issues=1)
    Home(folder / "home").mark_demo(own.url)
    assert why_off("jira", load_settings()) == ""
    sandbox(issues=1)  # the settings point at this one now, as they would at a real site
    with pytest.raises(ImpulsumError, match="invented data of a demo") as refused:
        run_load("jira", load_settings())
    assert refused.value.category is Category.CONFIGURATION and "IMPULSUM_HOME" in refused.value.next_step
    with pytest.raises(SystemExit) as left:
        main(["sync", "jira"])
    assert left.value.code == 2
    assert not (folder / "home" / "raw").exists()


def test_the_demo_reports_every_difference() -> None:
    sprint = {"sprint_id": "1", "state": "closed", "final_points": 3.0, "say_do_ratio": None}
    assert demo.differences([sprint], [sprint | {"final_points": 3}]) == []
    assert demo.differences([sprint], [sprint | {"final_points": 3.001}]) == [("1", "final_points", 3.0, 3.001)]
    assert demo.differences([sprint], [sprint | {"state": "active"}]) == [("1", "state", "closed", "active")]
    assert demo.differences([sprint], [sprint | {"added_points": 0}]) == [("1", "added_points", "no such column", 0)]
    assert demo.differences([sprint], []) == [("1", "sprint_id", "1", None)]
    assert demo.differences([], [sprint]) == [("1", "sprint_id", None, "1")]


def impulsum(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command as a process of its own in ``folder``; it may take as long as a busy machine needs."""
    return subprocess.run(
        [sys.executable, "-c", "from impulsum_pipelines.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | variables,
    )


def succeed(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    done = impulsum(*arguments, folder=folder, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.long
@pytest.mark.exhaustive
def test_demo_then_real_pulls_then_the_demo_again(
    folder: Path, sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMPULSUM_HOME")
    first = succeed("demo", "--seed", "11", "--issues", "90", folder=folder)
    home, real = folder / ".impulsum-demo", folder / "real"
    assert_shows_the_truth(first, home)

    site = sandbox(seed=12, issues=60)
    for source in ("jira", "github", "slack", "fireflies", "notion", "tempo"):
        succeed("sync", source, folder=folder, IMPULSUM_HOME=str(real))
    succeed("build", folder=folder, IMPULSUM_HOME=str(real))
    before = tables(real)

    again = succeed("demo", "--seed", "13", "--issues", "90", folder=folder, IMPULSUM_HOME=str(real))
    assert f"IMPULSUM_HOME is {real}" in again.stderr
    assert_shows_the_truth(again, home)
    assert tables(real) == before
    assert differences(real / "impulsum.duckdb", site.truth()) == {}
    issues = (site.world.store.issue(number) for (number,) in site.world.store.db.execute("SELECT id FROM issues"))
    assert titles(real) == {(issue.key, issue.fields["summary"]) for issue in issues}


def assert_shows_the_truth(done: subprocess.CompletedProcess[str], home: Path) -> None:
    published, truth = home / "impulsum.duckdb", json.loads((home / "truth.json").read_text())
    count = len(truth["sprints"])
    assert count >= 8 and differences(published, truth) == {}
    assert f"the velocity of {count} of {count} sprints" in done.stderr
    assert " warned, 0 failed." in done.stderr
    assert "s  marts" in done.stderr  # progress, also without a terminal
    shown = {row["sprint_name"] for row in velocity(published).values()} & {
        " ".join(line.split()[:3]) for line in done.stdout.splitlines() if line
    }
    assert len(shown) == 8, done.stdout
    query = next(line.strip() for line in done.stderr.splitlines() if "import duckdb" in line)
    subprocess.run(query, shell=True, check=True, cwd=home.parent, capture_output=True)  # noqa: S602  # as a user does


def titles(home: Path) -> set[tuple[str, str]]:
    """The keys and titles of the published issues."""
    with duckdb.connect(home / "impulsum.duckdb", read_only=True) as connection:
        return set(connection.execute("select issue_key, summary from core.issues").fetchall())


def tables(home: Path) -> Mapping[str, list[tuple[Any, ...]]]:
    """The rows of every raw and published table."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for file in (*sorted((home / "raw").glob("*.duckdb")), home / "impulsum.duckdb"):
        with duckdb.connect(file, read_only=True) as connection:
            for schema, table in connection.execute(
                "select schema_name, table_name from duckdb_tables() where not internal order by all"
            ).fetchall():
                rows = connection.execute(f'from "{schema}"."{table}" order by all').fetchall()
                found[f"{file.name} {schema}.{table}"] = rows
    return found
