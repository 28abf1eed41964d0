"""``kill -9`` at every step of a publish leaves the old file or the new one; the next publish cleans up."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from impulsum_pipelines.publishing.publish import kept_versions, publish
from impulsum_pipelines_tests.publishing import warehouse

# One child per folder, until one lives. Each publishes and counts its disk operations; the n-th child dies just before
# its n-th one.
DYING_PUBLISHES = """
import json, os, pathlib, shutil, signal, sys
import duckdb, filelock, pandas  # once, not in every child: DuckDB imports pandas with the first parameter
from impulsum_pipelines.publishing import release
from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines.settings import Settings

steps = 0

def dying(function, last):
    def step(*args, **kwargs):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return step

def die_at(root, last):
    for module, names in ((release, ("_copy", "_write_about")), (shutil, ("copyfile",)),
                          (os, ("fsync", "replace", "chmod", "unlink"))):
        for name in names:
            setattr(module, name, dying(getattr(module, name), last))
    publish(Settings(impulsum_home=root, impulsum_keep_versions=1))

signals = []
for last, root in enumerate(sys.argv[1:], start=1):
    child = os.fork()
    if child == 0:
        die_at(root, last)
        os._exit(0)
    signals.append(-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if signals[-1] == 0:
        break
json.dump(signals, sys.stdout)
"""

MOST_STEPS = 16  # more than a publish has: the last child must live


def test_killed_publish_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    model = tmp_path / "model"
    warehouse.build(model, generation=1)
    publish(warehouse.settings_at(model, keep=1))
    warehouse.build(model, generation=2)
    roots = [shutil.copytree(model, tmp_path / str(step)) for step in range(1, MOST_STEPS + 1)]

    children = subprocess.run(
        [sys.executable, "-c", DYING_PUBLISHES, *map(str, roots)], capture_output=True, timeout=60, check=True
    )
    *deaths, life = json.loads(children.stdout)
    assert life == 0 and set(deaths) == {signal.SIGKILL}, "a publish failed by itself, or has more steps"
    assert len(deaths) >= 10, "not every step of a publish is tried"

    seen = []
    for root in roots[: len(deaths) + 1]:
        settings = warehouse.settings_at(root, keep=1)
        (generation,) = warehouse.generations(root / "impulsum.duckdb")
        seen.append(generation)
        publish(settings)
        assert warehouse.generations(root / "impulsum.duckdb") == {(2, 2)}
        assert [version.current for version in kept_versions(settings)] == [True]
        assert not list(root.rglob("*.partial*"))
    assert seen == sorted(seen), "old up to one step, new from there on"
    assert {(1, 1), (2, 2)} == set(seen)
