"""The checks that every source has, and the op that answers all checks of a source after its load."""

# No postponed annotations here: Dagster compares the annotation of `context` with its own classes.

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any

import dagster as dg

from impulsum_pipelines.base.failing import failure
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.humanize import humanize
from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, instant, table_of
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.freshness import Freshness, assess
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables, why_off
from impulsum_pipelines.tiers import Source


def freshness_check(source: str) -> dg.AssetCheckKey:
    """The check that asks whether a source is fresh; worth asking without a pull, too."""
    return dg.AssetCheckKey(dg.AssetKey([source, tables(source)[0].name]), "freshness")


def source_checks(source: Source) -> tuple[Check, ...]:
    """Every check of a source: the general ones, then those of its own module ``checks/<source>.py``."""
    declared = tables(source.name)
    main = declared[0].name
    general = (
        *(
            Check(
                "unique_ids",
                table.name,
                "Every row has an id, and no two rows share one. Fails when a load wrote a row twice.",
                partial(_unique_ids, table=table.name),
                blocking=True,
            )
            for table in declared
        ),
        Check(
            "load_finished",
            main,
            "The newest sync wrote all of its rows. Fails when it was stopped while it wrote: run the sync again, "
            "it resumes.",
            _load_finished,
            blocking=True,
        ),
        Check(
            "freshness",
            main,
            "A pull checked every table lately, whether it had anything new or not. Warns in business hours when that "
            "is longer ago than the source's tier allows, fails at any hour when it is longer ago than a weekend; "
            "warns as well when pulls have found nothing new for a week.",
            _freshness,
        ),
        Check(
            "census_agreement",
            main,
            "The newest census found every id that the source has among those that are held, and no other.",
            _census_agreement,
        ),
    )
    own: tuple[Check, ...] = import_module(f"impulsum_pipelines.checks.{source.name}").CHECKS
    return general + own


def build_source_checks(source: Source) -> dg.AssetChecksDefinition:
    """One op that answers every check of a source from its raw file, under the file's read lock.

    A source that is off, or has no raw file yet, passes: there is nothing to be wrong.
    """
    checks = {(check.table, check.name): check for check in source_checks(source)}

    @dg.multi_asset_check(
        name=f"{source.name}_checks",
        specs=[check.spec(source.name) for check in checks.values()],
        can_subset=True,
    )
    def answer(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        settings = load_settings()
        asked = sorted(context.selected_asset_check_keys)
        try:
            with Home.of(settings).read_raw(source.name) as connection:
                if connection is None:
                    for key in asked:
                        yield _result(key, Finding(True, _why_empty(source)))
                    return
                raw = Raw(connection, source, settings, datetime.now(UTC))
                for key in asked:
                    yield _result(key, checks[key.asset_key.path[-1], key.name].judge(raw))
        except ImpulsumError as error:
            raise failure(error, context.retry_number) from error

    return answer


def _result(key: dg.AssetCheckKey, finding: Finding) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=finding.passed,
        asset_key=key.asset_key,
        check_name=key.name,
        severity=dg.AssetCheckSeverity.ERROR if finding.serious else dg.AssetCheckSeverity.WARN,
        description=finding.text,
        metadata=finding.numbers,
    )


def _why_empty(source: Source) -> str:
    reason = why_off(source.name, load_settings())
    return f"{source.title} is off: {reason}." if reason else f"{source.title} was never pulled."


def _unique_ids(raw: Raw, *, table: str) -> Finding:
    [found] = raw.rows(f"select count(*) as rows, count(*) - count(distinct id) as surplus from raw.{table}")
    surplus = found["surplus"]
    text = f"{surplus} rows have no id or one that another row has." if surplus else "Every id is unique."
    return Finding(not surplus, text, numbers=found)


def _load_finished(raw: Raw) -> Finding:
    newest = raw.rows("select sync_id, status, started_at, error from raw.syncs order by started_at desc limit 1")
    if not newest:
        return Finding(True, "There was no sync yet.")
    [sync] = newest
    numbers = {"sync": sync["sync_id"], "status": sync["status"], "started": instant(sync["started_at"])}
    if sync["status"] == "loading":
        return Finding(False, "The newest sync was stopped while it wrote its rows.", numbers=numbers)
    if sync["status"] == "incomplete":
        text = f"The newest sync ended early; what it read is held. {sync['error'] or ''}".strip()
        return Finding(False, text, serious=False, numbers=numbers)
    return Finding(True, "The newest sync wrote all of its rows.", numbers=numbers)


def freshness_finding(found: Freshness, now: datetime) -> Finding:
    """How fresh a source is, as the answer of its check."""

    def ago(moment: datetime | None, otherwise: str) -> str:
        return otherwise if moment is None else f"{humanize(now - moment)} ago"

    numbers: dict[str, Any] = {
        "warns in business hours after": humanize(found.source.fresh_within),
        "fails after": humanize(found.source.lost_after),
    }
    if found.tables:
        newest_pull = max(table.since for table in found.tables)
        numbers["newest pull (minutes ago)"] = round((now - newest_pull).total_seconds() / 60, 1)
        numbers["tables"] = table_of(
            [
                {
                    "table": table.name,
                    "checked": ago(table.checked_at, "not lately"),
                    "newest data": ago(table.written_at, "none yet"),
                    "newest change at the source": ago(table.changed_at, "not said"),
                    "warns after": humanize(table.allowed),
                    "is": table.level,
                }
                for table in found.tables
            ]
        )
    return Finding(found.level == "fresh", found.text, serious=found.level == "lost", numbers=numbers)


def _freshness(raw: Raw) -> Finding:
    return freshness_finding(assess(raw.source, raw.connection, raw.settings, raw.now), raw.now)


def _census_agreement(raw: Raw) -> Finding:
    scopes = raw.rows(
        "select scope_name, at_source, held, missing, deleted, unreachable, approximate, taken_at from raw.census "
        "where sync_id = (select sync_id from raw.census order by taken_at desc limit 1) order by scope_name"
    )
    if not scopes:
        return Finding(True, "There was no census yet.")
    wrong = [s for s in scopes if not agreement(s["at_source"], s["held"])[0]]
    serious = any(agreement(s["at_source"], s["held"])[1] for s in wrong)
    text = (
        f"{len(wrong)} of {len(scopes)} scopes differ after repair: "
        + ", ".join(f"{s['scope_name']} has {s['at_source']}, held {s['held']}" for s in wrong[:10])
        if wrong
        else f"All {len(scopes)} scopes agree."
    )
    numbers = {
        "taken": instant(scopes[0]["taken_at"]),
        "missing before repair": sum(s["missing"] for s in scopes),
        "found deleted": sum(s["deleted"] for s in scopes),
        "scopes": table_of(scopes),
    }
    return Finding(not wrong, text, serious=serious, numbers=numbers)
