"""What the shared checks say: what was compared, the numbers, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import duckdb
import pytest

from impulsum_pipelines.checks.builder import NAMED, compare_counts, compare_totals, no_orphans, no_rows
from impulsum_pipelines.checks.findings import Check, Finding, Raw
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.tiers import SOURCES

[JIRA] = [source for source in SOURCES if source.name == "jira"]
REPAIR = "Run `impulsum sync jira --census`"


@pytest.fixture
def raw() -> Iterator[Raw]:
    """A raw file in memory."""
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        yield Raw(connection, JIRA, load_settings(), datetime.now(UTC))


def counts(values: str) -> Check:
    """A check of counts over these (scope, at_source, stored)."""
    return compare_counts(
        "completeness",
        "issues",
        "Each project has as many issues here as Jira counts in it.",
        f"select * from (values {values}) as t(scope, at_source, stored) where scope <> ''",
        scopes="projects",
        things="issues",
        empty="No project is stored yet.",
    )


@pytest.mark.parametrize(
    ("values", "passed", "serious", "text"),
    [
        ("('', 0, 0)", True, True, "No project is stored yet."),
        ("('A', 7, 7), ('B', 3, 3)", True, True, "All 2 projects agree: 10 issues at Jira, 10 stored."),
        (
            "('A', 7, 7), ('B', 3, 2)",
            False,
            False,
            "1 of 2 projects differ: B has 3 issues, 2 stored. The difference is small",
        ),
        ("('A', 7, 1)", False, True, f"1 of 1 projects differ: A has 7 issues, 1 stored. {REPAIR}"),
        ("('A', 1000, 993), ('B', 1, 1)", False, False, "1 of 2 projects differ: A has 1000 issues, 993 stored."),
        ("('A', 1000, 1011)", False, True, f"1 of 1 projects differ: A has 1000 issues, 1011 stored. {REPAIR}"),
    ],
    ids=["nothing yet", "equal", "one missing", "6 of 7 missing", "7 of 1000 missing", "11 of 1000 too many"],
)
def test_counts_are_compared_scope_by_scope(raw: Raw, values: str, passed: bool, serious: bool, text: str) -> None:
    found = counts(values).evaluate(raw)
    assert found.text.startswith(text)
    assert (found.passed, found.serious) == (passed, serious)


def test_the_sums_and_every_scope_are_in_the_metadata(raw: Raw) -> None:
    numbers = counts("('A', 7, 7), ('B', 3, 2)").evaluate(raw).numbers
    assert (numbers["at source"], numbers["stored"]) == (10, 9)
    assert [dict(record.data) for record in numbers["projects"].records] == [
        {"scope": "A", "at_source": 7, "stored": 7},
        {"scope": "B", "at_source": 3, "stored": 2},
    ]


def test_only_the_first_scopes_that_differ_are_named(raw: Raw) -> None:
    text = counts(", ".join(f"('P{n}', 9, 0)" for n in range(NAMED + 3))).evaluate(raw).text
    assert text.count(" has 9 issues, 0 stored") == NAMED
    assert "; and 3 more. " in text


def totals(raw: Raw, values: str) -> Finding:
    """The finding of a check of totals over these differing (key, at_source, stored)."""
    return compare_totals(
        "changelog_totals",
        "changes",
        "Each issue has as many changes here as Jira counts.",
        f"select * from (values {values}) as t(key, at_source, stored) where key <> ''",
        parents="issues",
        things="changes",
    ).evaluate(raw)


def test_too_few_under_a_parent_is_an_error_and_too_many_a_warning(raw: Raw) -> None:
    assert totals(raw, "('', 0, 0)").text == "All issues have as many changes as Jira counts."
    short = totals(raw, "('A-1', 5, 2), ('A-2', 1, 2)")
    assert short.serious
    assert short.text.startswith("2 issues have another number of changes than Jira counts; 1 have too few, 3 changes")
    assert short.text.endswith(f"{REPAIR}: it compares every id and repairs what differs.")
    assert {name: short.numbers[name] for name in list(short.numbers)[:3]} == {
        "issues that differ": 2,
        "issues with too few": 1,
        "changes missing": 3,
    }
    more = totals(raw, "('A-2', 1, 2)")
    assert (more.passed, more.serious) == (False, False)
    assert "the next pull settles it" in more.text


@pytest.mark.parametrize(("count", "serious"), [(2, False), (3, True)])
def test_a_few_rows_may_be_tolerated_as_a_warning(raw: Raw, count: int, serious: bool) -> None:
    check = no_rows(
        "pages_followed",
        "blocks",
        "Every page is stored.",
        f"select * from range({count})",
        good="Every page is stored.",
        bad="{count} pages are not stored.",
        rows="pages",
        tolerated=2,
    )
    found = check.evaluate(raw)
    assert found.text.startswith(f"{count} pages are not stored. {REPAIR}")
    assert (found.passed, found.serious, found.numbers["pages"]) == (False, serious, count)


@pytest.mark.parametrize(("required", "orphans"), [(True, ["nowhere", "unnamed"]), (False, ["nowhere"])])
def test_an_orphan_names_no_parent_that_is_stored(raw: Raw, required: bool, orphans: list[str]) -> None:
    raw.connection.execute("create table raw.issues as select '1' as id")
    raw.connection.execute(
        """
        create table raw.links as select *, null as deleted_at, null as unreachable_since from (values
            ('both', '1', '1'), ('one end', '9', '1'), ('nowhere', '8', '9'), ('unnamed', null, null)
        ) as t(id, source, target)
        """
    )
    parents = "select id from raw.issues"
    found = no_orphans("links", "source", "target", parents=parents, of="issues", required=required).evaluate(raw)
    assert not found.passed
    assert found.text.startswith(f"{len(orphans)} links belong to no issues that are stored. {REPAIR}")
    assert [record.data["id"] for record in found.numbers["first"].records] == orphans
    assert found.numbers["first"].records[0].data["belongs_to"] == "8, 9"


def test_rows_that_are_gone_are_no_orphans(raw: Raw) -> None:
    raw.connection.execute("create table raw.issues as select '1' as id")
    raw.connection.execute(
        "create table raw.links as select 'x' as id, '9' as source, now() as deleted_at, null as unreachable_since"
    )
    found = no_orphans("links", "source", parents="select id from raw.issues", of="issues").evaluate(raw)
    assert (found.passed, found.text) == (True, "All links belong to issues that are stored.")
