"""The version that the code location shows: with the commit where it is a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path

from impulsum_pipelines.base.version import code_version, version_and_commit


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.invalid")
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_checkout_has_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("one")
    assert version_and_commit(tmp_path) == code_version(), "nothing is committed yet"
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    commit = git(tmp_path, "rev-parse", "--short=8", "HEAD")
    assert version_and_commit(tmp_path) == f"{code_version()}, commit {commit}"
    (tmp_path / "file").write_text("two")
    assert version_and_commit(tmp_path) == f"{code_version()}, commit {commit} and changes"


def test_an_installed_package_ignores_the_repository_around_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "of something else")
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert version_and_commit(inside) == code_version()
