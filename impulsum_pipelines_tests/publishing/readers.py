"""Five processes query the published file while new versions replace it.

Short, and without a load or dbt; ``make soak`` runs the whole pipeline beside readers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from impulsum_pipelines.publishing.publish import publish
from impulsum_pipelines_tests.publishing import warehouse

READERS = 5

# Short connections in a loop, as dashboards do. Prints its counts when its input is closed.
READER = """
import json, select, sys
from pathlib import Path
from impulsum_pipelines_tests.publishing import warehouse

path, queries, seen, mixed, errors = Path(sys.argv[1]), 0, set(), 0, []
while not select.select([sys.stdin], [], [], 0)[0]:
    try:
        generations = warehouse.generations(path)
    except Exception as error:
        errors.append(repr(error))
        continue
    queries += 1
    seen |= generations
    mixed += len(generations) != 1 or any(low != high for low, high in generations)
json.dump({"queries": queries, "versions": len(seen), "mixed": mixed, "errors": errors[:3]}, sys.stdout)
"""


def soak(root: Path, seconds: float) -> dict[str, object]:
    """Build and publish in a loop for ``seconds`` while the readers read; returns the counts of both sides."""
    settings = warehouse.settings_at(root, keep=2)
    warehouse.build(root, 1)
    path = publish(settings).path
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(READERS)
    ]
    published = 1
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        published += 1
        warehouse.build(root, published, rows=20_000)
        publish(settings)
    reports = [json.loads(reader.communicate(timeout=30)[0]) for reader in readers]
    return {
        "published": published,
        "queries": [report["queries"] for report in reports],
        "versions_seen": [report["versions"] for report in reports],
        "mixed": sum(report["mixed"] for report in reports),
        "errors": [error for report in reports for error in report["errors"]],
    }
