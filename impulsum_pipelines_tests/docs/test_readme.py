"""The documentation against the code: commands, targets, settings, tables and links exist as they are written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from impulsum_pipelines_tests.docs.generate import commands
from impulsum_pipelines_tests.places import ROOT

README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_and_option_on_a_page_exists(page: Path) -> None:
    known = dict(commands())
    written = re.findall(
        r"`(?:\.venv/bin/)?impulsum ((?:(?:sandbox|alerts|webhooks|triage) )?[a-z-]+)((?: [^`\n|]*)?)`",
        page.read_text(),
    )
    assert {command for command, _ in written} <= set(known)
    for command, rest in written:
        options = {option for parameter in known[command].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, command


def test_make_targets_exist_and_describe_themselves() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = dict(re.findall(r"^([a-z]+):.*?## (.*)$", makefile, flags=re.MULTILINE))
    assert {"help", "demo", "test", "dev", "lint", "bench", "lock", "clean"} <= set(targets)
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z]+)", page.read_text())) <= set(targets), page
    assert set(re.findall(r"^make ([a-z]+)", README, flags=re.MULTILINE)) <= set(targets)


def test_gate_runs_the_tests_as_the_readme_does() -> None:
    gate = (ROOT / ".ci" / "run").read_text()
    assert gate.splitlines()[-2:] == ["stage make lint", "stage make test"]


def test_tables_in_the_readme_are_models() -> None:
    models = {f"{path.parent.name}.{path.stem}" for path in (ROOT / "dbt_project" / "models" / "marts").rglob("*.sql")}
    written = set(re.findall(r"`((?:core|velocity|risk|quality|restricted)\.\w+)`", README))
    assert written == models


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_changelog_names_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert version and f"## [{version[1]}]" in (ROOT / "CHANGELOG.md").read_text()


def test_lock_is_hashed_and_names_no_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", lock, flags=re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    declared = [Requirement(line).name for line in wanted]
    assert {name.lower() for name in declared} <= {name.lower() for name in pins}
    assert not re.search(r"://|^-", lock, flags=re.MULTILINE)
    assert lock.count("--hash=sha256:") >= len(pins)
