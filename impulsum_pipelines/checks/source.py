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
from impulsum_pipelines.checks.builder import counts_finding
from impulsum_pipelines.checks.findings import Check, Finding, Raw, table_of, timestamp
from impulsum_pipelines.errors import ImpulsumError
from impulsum_pipelines.loading.freshness import Freshness, assess
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.sources.registry import tables, why_off
from impulsum_pipelines.tiers import Source


def freshness_check(source: str) -> dg.AssetCheckKey:
    """The check of how fresh a source is; the freshness sensor answers it without a pull, too."""
    return dg.AssetCheckKey(dg.AssetKey([source, tables(source)[0].name]), "freshness")


def source_checks(source: Source) -> tuple[Check, ...]:
    """Every check of a source: those that all sources have, then those of its own module ``checks/<source>.py``."""
    declared = tables(source.name)
    main = declared[0].name
    general = (
        *(
            Check(
                "unique_ids",
                table.name,
                "Every row has an id, and no two rows share one. Fails when a load wrote a row twice: the marts are "
                "then not built.",
                partial(_unique_ids, table=table.name),
                blocking=True,
            )
            for table in declared
        ),
        Check(
            "load_finished",
            main,
            "The newest sync wrote all of its rows. Fails when it was stopped while it wrote: run the sync again, it "
            "resumes. Warns when it ended early, with the reason.",
            _load_finished,
            blocking=True,
        ),
        Check(
            "freshness",
            main,
            "A recent pull checked every table, whether it found anything new or not. Warns in business hours when the "
            "last one is older than the source's tier allows. Fails at any hour when it is older than a weekend. Also "
            "warns when pulls have found nothing new for a week.",
            _freshness,
        ),
        Check(
            "census_agreement",
            main,
            "After the newest census the stored ids are those of the source, scope by scope. Warns on a small "
            "difference, fails when a scope differs by more than 5 and more than 1 %: run another census.",
            _census_agreement,
        ),
    )
    own: tuple[Check, ...] = import_module(f"impulsum_pipelines.checks.{source.name}").CHECKS
    return general + own


def build_source_checks(source: Source) -> dg.AssetChecksDefinition:
    """One op that answers every check of a source from its raw file, under the file's read lock.

    A source that is off, or has no raw file yet, passes: it has nothing to check.
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
                    yield _result(key, checks[key.asset_key.path[-1], key.name].evaluate(raw))
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
    return (
        f"{source.title} is off: {reason}."
        if reason
        else f"{source.title} was never pulled: run `impulsum sync {source.name}`."
    )


def _unique_ids(raw: Raw, *, table: str) -> Finding:
    [found] = raw.rows(f"select count(*) as rows, count(*) - count(distinct id) as surplus from raw.{table}")
    surplus = found["surplus"]
    if not surplus:
        return Finding(True, "Every id is unique.", numbers=found)
    text = (
        f"{surplus} of {found['rows']} rows have no id, or the id of another row. The marts are not built from them: "
        "report it as a bug."
    )
    return Finding(False, text, numbers=found)


def _load_finished(raw: Raw) -> Finding:
    newest = raw.rows("select sync_id, status, started_at, error from raw.syncs order by started_at desc limit 1")
    if not newest:
        return Finding(True, "There was no sync yet.")
    [sync] = newest
    numbers = {"sync": sync["sync_id"], "status": sync["status"], "started": timestamp(sync["started_at"])}
    again = f"Run `impulsum sync {raw.source.name}` again: it resumes."
    if sync["status"] == "loading":
        return Finding(False, f"The newest sync was stopped while it wrote its rows. {again}", numbers=numbers)
    if sync["status"] == "incomplete":
        text = f"The newest sync ended early; what it read is stored, and the next one resumes. {sync['error'] or ''}"
        return Finding(False, text.strip(), serious=False, numbers=numbers)
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
                    "checked": ago(table.checked_at, "not recently"),
                    "newest data": ago(table.written_at, "none yet"),
                    "newest change at the source": ago(table.changed_at, "unknown"),
                    "warns after": humanize(table.allowed),
                    "level": table.level,
                }
                for table in found.tables
            ]
        )
    return Finding(found.level == "fresh", found.text, serious=found.level == "lost", numbers=numbers)


def _freshness(raw: Raw) -> Finding:
    return freshness_finding(assess(raw.source, raw.connection, raw.settings, raw.now), raw.now)


def _census_agreement(raw: Raw) -> Finding:
    scopes = raw.rows(
        "select scope_name as scope, at_source, held as stored, missing, deleted, unreachable, approximate, taken_at "
        "from raw.census where sync_id = (select sync_id from raw.census order by taken_at desc limit 1) "
        "order by scope_name"
    )
    if not scopes:
        return Finding(True, "There was no census yet.")
    numbers = {
        "taken": timestamp(scopes[0]["taken_at"]),
        "missing before repair": sum(scope["missing"] for scope in scopes),
        "found deleted": sum(scope["deleted"] for scope in scopes),
    }
    return counts_finding(raw, scopes, "scopes", "ids", numbers)
