"""``make bench``: a first pull compared with a plain loop over the same pages, and the cost of a sync without changes.

Every measurement is a separate process against a sandbox in another process, all on this machine. Machines differ and
are shared, so read the ratios: they compare within one run. Exits with 1 when a bound is not met.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from impulsum_pipelines.sandbox.server import env_of

#: The bounds: a sync's rate as a share of the loop's, its memory, and the growth of a quiet sync with ten times the
#: issues.
LEAST_SHARE, MOST_MEGABYTES, MOST_GROWTH = 0.40, 500, 1.3
console = Console()


def main() -> int:
    """Measure, print, and return 1 when a bound is not met."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--issues", type=int, default=20_000)
    parser.add_argument("--large", type=int, default=200_000, help="issues for the quiet sync; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="impulsum-bench-") as folder:
        small = _measure(Path(folder) / "small", arguments.issues, rounds=arguments.rounds)
        large = _measure(Path(folder) / "large", arguments.large, rounds=1) if arguments.large else None
    return _report(small, large)


def _measure(folder: Path, issues: int, *, rounds: int) -> dict[str, Any]:
    """First pulls and plain loops in turn, then quiet syncs, against one sandbox."""
    folder.mkdir()
    pulls, loops = [], []
    with _sandbox(issues) as variables:
        for number in range(rounds):
            home = folder / f"home-{number}"
            console.log(f"first pull of {issues:,} issues, round {number + 1} of {rounds}")
            pulls.append(_child("pull", variables, home, folder / "pages.json"))
            console.log("plain loop over the same pages")
            loops.append(_child("loop", variables, home, folder / "pages.json"))
        console.log("quiet syncs")
        quiet = [_child("pull", variables, home, folder / "quiet.json") for _ in range(5)]
    return {"issues": issues, "pulls": pulls, "loops": loops, "quiet": quiet}


@contextmanager
def _sandbox(issues: int) -> Iterator[dict[str, str]]:
    console.log(f"generating {issues:,} issues with inline histories, documents of 4 KB")
    command = ["--port", "0", "--seed", "1", "--issues", str(issues), "--document-bytes", "4096"]
    process = subprocess.Popen(
        [sys.executable, "-m", "impulsum_pipelines.sandbox", *command], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        yield env_of(url)
    finally:
        process.kill()
        process.wait()


def _child(what: str, variables: dict[str, str], home: Path, pages: Path) -> dict[str, float]:
    """Run one measurement in a separate process; its peak memory is the kernel's figure for that process."""
    environment = {**os.environ, **variables, "IMPULSUM_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "impulsum_pipelines_tests.bench.child", what, str(pages)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    measured: dict[str, float] = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"the {what} failed with status {status}")
    return measured | {"megabytes": usage.ru_maxrss / 1024, "cpu": usage.ru_utime + usage.ru_stime}


def _report(small: dict[str, Any], large: dict[str, Any] | None) -> int:
    def median(runs: list[dict[str, float]], figure: str) -> float:
        return statistics.median(run[figure] for run in runs)

    table = Table(
        "measured", "issues", "seconds", "issues/s", "CPU s", "requests", "peak MB", box=None, header_style="bold"
    )
    for name, measured, kind in (
        ("first pull to committed rows", small, "pulls"),
        ("plain requests and parse, same pages", small, "loops"),
        ("quiet sync", small, "quiet"),
        *([("first pull", large, "pulls"), ("quiet sync", large, "quiet")] if large else []),
    ):
        runs, seconds = measured[kind], median(measured[kind], "seconds")
        rate = "" if kind == "quiet" else f"{measured['issues'] / seconds:,.0f}"
        requests, megabytes = f"{median(runs, 'requests'):,.0f}", f"{max(run['megabytes'] for run in runs):,.0f}"
        table.add_row(
            name, f"{measured['issues']:,}", f"{seconds:.2f}", rate, f"{median(runs, 'cpu'):.1f}", requests, megabytes
        )
    console.print(table)
    shares = [loop["seconds"] / pull["seconds"] for pull, loop in zip(small["pulls"], small["loops"], strict=True)]
    bounds = [
        (f"rate, share of the plain loop's (at least {LEAST_SHARE})", statistics.median(shares), LEAST_SHARE, 1),
        (
            f"peak memory of the pull, MB (under {MOST_MEGABYTES})",
            median(small["pulls"], "megabytes"),
            MOST_MEGABYTES,
            -1,
        ),
    ]
    if large:
        for figure in ("cpu", "requests"):
            growth = median(large["quiet"], figure) / median(small["quiet"], figure)
            bounds.append((f"growth of a quiet sync's {figure} (under {MOST_GROWTH})", growth, MOST_GROWTH, -1))
    all_met = True
    for name, value, bound, sign in bounds:
        is_met = (value - bound) * sign >= 0
        all_met &= is_met
        console.print(f"{'ok ' if is_met else 'NOT'}  {name}: {value:.2f}", highlight=False)
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
