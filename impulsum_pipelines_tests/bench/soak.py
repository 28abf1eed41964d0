"""``make soak``: the whole pipeline runs while readers query, for at least a minute and at least two builds.

A team keeps editing its Jira. One process pulls, one builds with dbt and publishes, five query the published file, each
in a loop. No reader may see an error, and no connection may see more than one version of the data.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from impulsum_pipelines.base.home import Home, connect
from impulsum_pipelines.settings import load_settings

if TYPE_CHECKING:
    import duckdb

READERS = 5
#: Seconds between two rounds of a reader, and between two pulls. Without a pause eight processes would take all cores,
#: and no build would end.
PAUSE = 0.5
#: Two, so that readers see a publish, and the time after it.
LEAST_BUILDS = 2
ISSUES = 500

# A query of a dashboard. It joins marts, so it would notice half of another version.
ANALYSIS = """
    select sprint_name, committed_points, completed_points, count(*) as changes, count(issues.issue_key) as known
    from velocity.sprint_velocity
    join velocity.sprint_scope_changes using (sprint_id)
    left join core.issues using (issue_id)
    group by all
    having changes <> known
"""


def pull(url: str, ended: Path) -> dict[str, Any]:
    """Edit and pull in a loop, at least once, until the file ``ended`` exists."""
    from impulsum_pipelines.loading.run_load import run_load

    pulls = rows = 0
    longest = 0.0
    while not pulls or not ended.exists():
        _edit(url)
        began = time.monotonic()
        result = run_load("jira", load_settings())
        longest = max(longest, time.monotonic() - began)
        pulls += 1
        rows += sum(counts.new + counts.changed for counts in result.rows.values())
        time.sleep(PAUSE)
    return {"pulls": pulls, "rows written": rows, "longest pull (s)": round(longest, 1)}


def _edit(url: str) -> None:
    """Create an issue in each running sprint, and change its estimate at once."""

    def control(verb: str, **arguments: object) -> dict[str, Any]:
        answer = requests.post(f"{url}/_sandbox/{verb}", json=arguments, timeout=60)
        answer.raise_for_status()
        done: dict[str, Any] = answer.json()
        return done

    running = [sprint["sprint_id"] for sprint in control("truth")["sprints"] if sprint["state"] == "active"]
    for sprint in running:
        issue = control("create_issue", project="ATLAS", sprint=int(sprint), estimate=3)["key"]
        control("estimate", issue=issue, value=5)


def build(seconds: float, least: int, ended: Path) -> dict[str, Any]:
    """Build with dbt and publish in a loop, for at least so long and so often, then create the file ``ended``."""
    from impulsum_pipelines.cli.runs import run_job

    builds, failed, longest = 0, [], 0.0
    until = time.monotonic() + seconds
    while builds < least or time.monotonic() < until:
        began = time.monotonic()
        report = run_job("build", load_settings())
        took = time.monotonic() - began
        longest = max(longest, took)
        builds += 1
        _say(f"build {builds} ended after {took:.0f} s")
        failed += [f"{check.asset} {check.name}: {check.says}" for check in report.failed]
    ended.touch()
    return {"builds": builds, "longest build (s)": round(longest, 1), "failed checks": failed}


def read(path: Path, ended: Path) -> dict[str, Any]:
    """Query in a loop with short connections, as dashboards do, until the file ``ended`` exists."""
    queries, mixed, errors = 0, 0, []
    seen: dict[str, set[str]] = {}
    while not ended.exists():
        try:
            with connect(path, read_only=True) as connection:
                version, before = fingerprint(connection)
                unknown = connection.execute(ANALYSIS).fetchall()
                after = fingerprint(connection)
        except Exception as error:  # noqa: BLE001  # any error of a reader is a finding
            errors.append(repr(error))
            continue
        queries += 3
        mixed += (version, before) != after or bool(unknown)
        seen.setdefault(version, set()).add(before)
        time.sleep(PAUSE)
    return {"queries": queries, "mixed": mixed, "errors": errors, "seen": seen}


def fingerprint(connection: duckdb.DuckDBPyConnection) -> tuple[str, str]:
    """The version in the file, and a digest of every row of every mart."""
    [(version,)] = connection.execute("select version from about.release").fetchall()
    marts = connection.execute(
        "select table_schema || '.' || table_name from information_schema.tables where table_schema <> 'about'"
    ).fetchall()
    digests = " union all ".join(f"select '{t}', count(*), bit_xor(hash(row)) from {t} as row" for (t,) in marts)
    return version, repr(sorted(connection.execute(digests).fetchall()))


def soak(seconds: float) -> dict[str, Any]:
    """Pull, build, publish and read for ``seconds`` and at least two builds; returns the counts of all sides."""
    with _site() as url, ProcessPoolExecutor(READERS + 2, mp_context=get_context("spawn")) as pool:
        home = Home.of(load_settings())
        ready, ended = home.root / "ready", home.root / "ended"
        ready.touch()
        _say("a first pull and a first build, without readers")
        pool.submit(pull, url, ready).result()
        pool.submit(build, 0, 1, ready).result()
        _say(f"{READERS} readers beside pulls and builds, for at least {seconds:.0f} s and {LEAST_BUILDS} builds")
        began = time.monotonic()
        reading = [pool.submit(read, home.published, ended) for _ in range(READERS)]
        pulling, building = pool.submit(pull, url, ended), pool.submit(build, seconds, LEAST_BUILDS, ended)
        try:
            done = building.result() | pulling.result()
        finally:
            ended.touch()  # after a failure too: the others must not run for ever
        reports = [reader.result() for reader in reading]
        lasted = time.monotonic() - began
        published = {}
        for file in home.versions.glob("*.duckdb"):
            with connect(file, read_only=True) as connection:
                version, digest = fingerprint(connection)
                published[version] = digest
    seen = {(version, digest) for report in reports for version, found in report["seen"].items() for digest in found}
    return done | {
        "seconds": round(lasted),
        "queries": [report["queries"] for report in reports],
        "versions published": len(published),
        "versions seen": [len(report["seen"]) for report in reports],
        "contents seen": len({digest for _, digest in seen}),
        "mixed": sum(report["mixed"] for report in reports) + len(seen - published.items()),
        "errors": [error for report in reports for error in report["errors"]],
    }


def _say(what: str) -> None:
    """Print progress to stderr; the report goes to stdout."""
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {what}\n")


@contextmanager
def _site() -> Iterator[str]:
    """A site of its own and a home of its own, for this process and those that it starts; the site's URL."""
    from impulsum_pipelines.sandbox.server import running_sandbox
    from impulsum_pipelines.sandbox.worlds import generate

    world = generate(seed=1, issues=ISSUES, now=datetime.now(UTC))
    with tempfile.TemporaryDirectory() as folder, running_sandbox(world) as served:
        os.environ |= {**served.env, "IMPULSUM_HOME": folder, "IMPULSUM_KEEP_VERSIONS": "1000"}
        os.environ.pop("DAGSTER_HOME", None)
        yield served.url


def main() -> int:
    """Soak for as many seconds as the first argument says; exit code 1 when a reader saw anything wrong."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    report = soak(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    too_few = report["contents seen"] < LEAST_BUILDS
    return 1 if report["errors"] or report["mixed"] or report["failed checks"] or too_few else 0


if __name__ == "__main__":
    sys.exit(main())
