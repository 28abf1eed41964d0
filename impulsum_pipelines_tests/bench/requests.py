"""``make requests``: the requests of a sync of each source, beside the fewest that it could send.

The sandbox's team of twelve, with 3 repositories, 8 channels and 4 data sources; everything over real HTTP. Seconds
are of the pulls only, after all imports, with 50 ms added to each request; the quickest of three rounds counts, because
other programs run on the machine too. Prints the table that the README shows. Exits with 1 when
the no-change syncs of all sources take 60 requests or 30 seconds.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.result import LoadResult
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.sandbox.server import Running, running_sandbox
from impulsum_pipelines.sandbox.worlds import generate
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines_tests.bench.changes import TEN_CHANGES
from impulsum_pipelines_tests.bench.minimum import MINIMUM

#: The budget of a sync of all sources that finds nothing: requests, and seconds at so many milliseconds a request.
MOST_REQUESTS, MOST_SECONDS, LATENCY_MS = 60, 30.0, 50
#: Monday morning, so that a working day lies ahead.
NOW = "2026-11-02T08:00:00Z"
NAMES = tuple(source.name for source in SOURCES)
#: Where a service says how many requests its limits refused; Jira's sandbox has no limit.
_REFUSALS = {"github": "stats", "slack": "refusals", "fireflies": "limits", "notion": "stats", "tempo": "limits"}
#: Factor by which the services' limits per minute are raised once hours pass in seconds.
_RAISED = 100


@dataclass(frozen=True)
class Pulled:
    """One pull: its result, its seconds, and the requests that the sandbox answered, by method and path."""

    result: LoadResult
    seconds: float
    answered: Counter[str]

    @property
    def requests(self) -> int:
        """Requests that the sandbox answered."""
        return self.answered.total()

    @property
    def is_quiet(self) -> bool:
        """Whether it changed no row."""
        return not any(c.new or c.changed or c.deleted or c.unreachable for c in self.result.rows.values())


@dataclass
class Costs:
    """The measured pulls of every source, by source; ``least`` and ``added`` are arithmetic, see the modules.

    Args:
        first: the first pull.
        least: the fewest requests of a first pull.
        quiet: a pull that finds nothing, with the latency: the first round, which costs the most.
        seconds: duration of those pulls, in the quickest round.
        reference: a pull that finds nothing and reads the slow reference tables again, as one pull per hour does.
        changed: a pull after ten changes.
        added: requests that those must cost.
    """

    first: dict[str, Pulled] = field(default_factory=dict)
    least: dict[str, int] = field(default_factory=dict)
    quiet: dict[str, Pulled] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    reference: dict[str, Pulled] = field(default_factory=dict)
    changed: dict[str, Pulled] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)


def pull(site: Running, source: str, **arguments: Any) -> Pulled:
    """Pull a source as the product does, with the settings of the environment."""
    site.requests(reset=True)
    began = time.monotonic()
    result = run_load(source, load_settings(), **arguments)
    seconds = time.monotonic() - began
    answered = Counter(site.requests(reset=True))
    if result.requests != answered.total():
        raise AssertionError(f"{source} counted {result.requests} requests, the sandbox {answered}")
    return Pulled(result, seconds, answered)


def seconds_of(pulls: Mapping[str, Pulled]) -> float:
    """Seconds of pulls one after the other."""
    return sum(pulled.seconds for pulled in pulls.values())


def measure(site: Running, *, rounds: int = 1, say: Callable[[str], None] = lambda text: None) -> Costs:
    """First pulls, quiet ones (the quickest of some rounds), and ten changes, 15 minutes apart."""
    costs = Costs()
    costs.least = {source: MINIMUM[source](site) for source in NAMES}
    later(site, minutes=60)  # what changed just before a pull is read twice: the overlap of the next one reaches it
    for source in NAMES:
        say(f"first pull of {source}")
        costs.first[source] = pull(site, source)
    fail_fast(site)
    say(f"no change, {LATENCY_MS} ms a request")
    found = [without_change(site) for _ in range(rounds)]
    costs.quiet = found[0]
    costs.seconds = {source: pulled.seconds for source, pulled in min(found, key=seconds_of).items()}
    say("no change, reference tables again")
    later(site, minutes=15)
    with _reference_tables_are_old():
        costs.reference = {source: pull(site, source) for source in NAMES}
    say("ten changes each")
    later(site, minutes=15)
    costs.added = {source: TEN_CHANGES[source](site) for source in NAMES}
    later(site, minutes=15)
    costs.changed = {source: pull(site, source) for source in NAMES}
    return costs


def without_change(site: Running) -> dict[str, Pulled]:
    """A quiet pull of every source a quarter of an hour later, with the latency."""
    later(site, minutes=15)
    site.control("latency", milliseconds=LATENCY_MS)
    try:
        return {source: pull(site, source) for source in NAMES}
    finally:
        site.control("latency", milliseconds=0)


@contextmanager
def _reference_tables_are_old() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
        yield


def fail_fast(site: Running) -> None:
    """Raise the services' limits, so that hours can pass in seconds: they count per minute of real time.

    Our own budget keeps the published limits: :func:`later` resets it for the minutes that pass. The caller compares
    the requests within one minute of the sandbox's clock with the vendor's limit.
    """
    site.control("slack/limits", factor=_RAISED)
    site.control("notion/limit", per_minute=180 * _RAISED)
    site.control("fireflies/set_quota", per_day=500, per_minute=60 * _RAISED)


def later(site: Running, minutes: float) -> None:
    """Let minutes pass on the sandbox's clock; earlier requests no longer count against our limits."""
    site.control("clock", advance_seconds=minutes * 60)
    shutil.rmtree(Home.of(load_settings()).limits, ignore_errors=True)


def refused(site: Running, sources: Iterable[str] = _REFUSALS) -> dict[str, int]:
    """Requests that the services refused so far because of their limits, by source; sources without any are omitted."""
    found = {}
    for source in sources:
        counts = site.control(f"{source}/{_REFUSALS[source]}")
        if total := counts.get("refused", 0) if source != "slack" else sum(counts.values()):
            found[source] = total
    return found


def table(costs: Costs) -> list[str]:
    """The README's table, in Markdown."""
    lines = [
        "| source | first pull | its minimum | no change | with reference tables | ten changes | no change, seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for source in SOURCES:
        name = source.name
        counts = [costs.first[name].requests, costs.least[name]]
        counts += [of[name].requests for of in (costs.quiet, costs.reference, costs.changed)]
        lines.append(_row(source.title, counts, costs.seconds[name]))
    sums = [_sum(costs.first.values()), sum(costs.least.values())]
    sums += [_sum(of.values()) for of in (costs.quiet, costs.reference, costs.changed)]
    return [*lines, _row("all", sums, sum(costs.seconds.values()))]


def _row(title: str, counts: Iterable[int], seconds: float) -> str:
    return f"| {title} | {' | '.join(f'{count:,}' for count in counts)} | {seconds:.1f} |"


def _sum(pulls: Collection[Pulled]) -> int:
    return sum(pulled.requests for pulled in pulls)


def main() -> int:
    """Measure, print the table, and return 1 when the budget is exceeded."""
    parser = argparse.ArgumentParser(prog="make requests", description=__doc__)
    parser.add_argument("--issues", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    world = generate(seed=arguments.seed, issues=arguments.issues, now=datetime.fromisoformat(NOW))
    with tempfile.TemporaryDirectory(prefix="impulsum-requests-") as folder, running_sandbox(world) as site:
        os.environ.update(site.env, IMPULSUM_HOME=str(Path(folder) / "home"))
        costs = measure(site, rounds=3, say=lambda text: print(text, file=sys.stderr))  # noqa: T201 - a command's progress
    print("\n".join(table(costs)))  # noqa: T201 - a command's output
    is_cheap, is_quick = _sum(costs.quiet.values()) < MOST_REQUESTS, sum(costs.seconds.values()) < MOST_SECONDS
    return 0 if is_cheap and is_quick else 1


if __name__ == "__main__":
    sys.exit(main())
