"""Checks that several sources have, each built from one query: counts that must agree, rows that must not exist.

A source's own module gives the query and the words; the sentence, the numbers and the next step are written here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from impulsum_pipelines.checks.findings import Agreement, Check, Finding, Raw, table_of
from impulsum_pipelines.sources.base.table import ALIVE

#: The next step where rows are missing or surplus.
CENSUS = "Run `impulsum sync {source} --census`: it compares every id and repairs what differs."
#: Scopes or parents that a sentence names; the metadata has 50.
NAMED = 10

Rows = list[dict[str, Any]]


def compare_counts(
    name: str,
    table: str,
    description: str,
    sql: str,
    *,
    scopes: str,
    things: str,
    empty: str,
    more_numbers: Callable[[Rows], Mapping[str, Any]] = lambda rows: {},
) -> Check:
    """A check that each scope has as many rows here as the source counts.

    Args:
        name: name of the check.
        table: the raw table whose asset it belongs to.
        description: what is compared; when it warns and when it fails is added.
        sql: one row per scope, with the columns ``scope`` (its name), ``at_source`` and ``stored``.
        scopes: what the scopes are called, plural.
        things: what is counted, plural.
        empty: the sentence where there is nothing to compare yet.
        more_numbers: further metadata, from the rows of the query.
    """

    def evaluate(raw: Raw) -> Finding:
        rows = raw.rows(sql)
        return counts_finding(raw, rows, scopes, things, more_numbers(rows)) if rows else Finding(True, empty)

    tolerance = (
        f"Warns on a small difference: {things} come and go between the count and the pull. Fails when a scope differs "
        "by more than 5 and more than 1 %: run a sync with --census."
    )
    return Check(name, table, f"{description} {tolerance}", evaluate)


def counts_finding(raw: Raw, rows: Rows, scopes: str, things: str, more_numbers: Mapping[str, Any]) -> Finding:
    """Counts of scopes beside those of the source, as a finding; the arguments are those of :func:`compare_counts`."""
    at_source, stored = (sum(row[column] for row in rows) for column in ("at_source", "stored"))
    numbers = {"at source": at_source, "stored": stored, **more_numbers, scopes: table_of(rows)}
    title = raw.source.title
    wrong = [row for row in rows if not Agreement.of(row["at_source"], row["stored"]).is_exact]
    if not wrong:
        text = f"All {len(rows)} {scopes} agree: {at_source} {things} at {title}, {stored} stored."
        return Finding(True, text, numbers=numbers)
    serious = any(Agreement.of(row["at_source"], row["stored"]).is_serious for row in wrong)
    named = [f"{row['scope']} has {row['at_source']} {things}, {row['stored']} stored" for row in wrong[:NAMED]]
    others = [f"and {len(wrong) - NAMED} more"] if len(wrong) > NAMED else []
    advice = (
        _next_step(raw, CENSUS)
        if serious
        else "The difference is small: rows may have changed since the count. Act only if it stays."
    )
    text = f"{len(wrong)} of {len(rows)} {scopes} differ: {'; '.join(named + others)}. {advice}"
    return Finding(False, text, serious=serious, numbers=numbers)


def compare_totals(
    name: str, table: str, description: str, sql: str, *, parents: str, things: str, next_step: str = CENSUS
) -> Check:
    """A check that each parent has as many things here as the source says with the parent.

    Fails when a parent has too few: something was lost. Warns when it has more: they came after the parent was read.

    Args:
        name: name of the check.
        table: the raw table whose asset it belongs to.
        description: what is compared; when it warns and when it fails is added.
        sql: one row per parent that differs, with its names, ``at_source`` and ``stored``.
        parents: what the parents are called, plural.
        things: what is counted, plural.
        next_step: what to do; ``{source}`` in it is the source's name.
    """

    def evaluate(raw: Raw) -> Finding:
        differing = raw.rows(sql)
        if not differing:
            return Finding(True, f"All {parents} have as many {things} as {raw.source.title} counts.")
        short = sum(row["stored"] < row["at_source"] for row in differing)
        missing = sum(max(row["at_source"] - row["stored"], 0) for row in differing)
        numbers = {
            f"{parents} that differ": len(differing),
            f"{parents} with too few": short,
            f"{things} missing": missing,
            parents: table_of(differing),
        }
        text = (
            f"{len(differing)} {parents} have another number of {things} than {raw.source.title} counts; "
            f"{short} have too few, {missing} {things} are missing. "
        )
        text += _next_step(raw, next_step) if short else "The others came after the count: the next pull settles it."
        return Finding(False, text, serious=short > 0, numbers=numbers)

    tolerance = f"Fails when {things} are missing. Warns when there are more: they came after the count."
    return Check(name, table, f"{description} {tolerance}", evaluate)


def no_rows(
    name: str,
    table: str,
    description: str,
    sql: str,
    *,
    good: str,
    bad: str,
    rows: str,
    next_step: str = CENSUS,
    serious: bool = True,
    tolerated: int = 0,
) -> Check:
    """A check that a query finds nothing.

    Args:
        name: name of the check.
        table: the raw table whose asset it belongs to.
        description: what is true when it passes, and what is wrong when it does not.
        sql: finds what is wrong.
        good: the sentence when it finds nothing.
        bad: the sentence when it finds something; ``{count}`` in it is how many rows.
        rows: what the rows are called, plural.
        next_step: what to do; ``{source}`` in it is the source's name.
        serious: an error, or else a warning.
        tolerated: so many rows are a warning in any case.
    """

    def evaluate(raw: Raw) -> Finding:
        found = raw.rows(sql)
        if not found:
            return Finding(True, good)
        return Finding(
            False,
            f"{bad.format(count=len(found))} {_next_step(raw, next_step)}",
            serious=serious and len(found) > tolerated,
            numbers={rows: len(found), "first": table_of(found)},
        )

    return Check(name, table, description, evaluate)


def no_orphans(
    table: str,
    *keys: str,
    parents: str,
    of: str,
    name: str = "no_orphans",
    rows: str = "",
    required: bool = True,
    serious: bool = True,
) -> Check:
    """A check that each row of a table belongs to something that is stored.

    Args:
        table: the table.
        keys: expressions over it that name the parent; a row is an orphan when none of them names one.
        parents: a query of the keys that exist, one column.
        of: what the parents are called, plural.
        name: name of the check.
        rows: what the rows are called, plural; as the table when left out.
        required: a row without a key is an orphan, too.
        serious: an error, or else a warning.
    """
    things = rows or table.replace("_", " ")
    is_orphan = " and ".join(
        f"coalesce({key}, '') not in ({parents})" if required else f"{key} is not null and {key} not in ({parents})"
        for key in keys
    )
    good = f"All {things} belong to {of} that are stored."
    return no_rows(
        name,
        table,
        f"{good} {'Fails' if serious else 'Warns'} when some do not: run a sync with --census.",
        f"select id, concat_ws(', ', {', '.join(keys)}) as belongs_to from raw.{table} "
        f"where {ALIVE} and {is_orphan} order by id",
        good=good,
        bad=f"{{count}} {things} belong to no {of} that are stored.",
        rows="orphans",
        serious=serious,
    )


def _next_step(raw: Raw, template: str) -> str:
    return template.format(source=raw.source.name)
