"""Text that is private at its source is published only in the restricted tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from impulsum_pipelines_tests.marts.conftest import Query
from impulsum_pipelines_tests.marts.world import SECRET, notion_id

pytestmark = pytest.mark.xdist_group("marts")


def test_no_other_table_shows_private_text(published: Path) -> None:
    found = set()
    with duckdb.connect(published, read_only=True) as connection:
        tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal").fetchall()
        assert len(tables) > 20
        for schema, table in tables:
            (hits,) = connection.execute(
                f'select count(*) from "{schema}"."{table}" as t where contains(to_json(t)::varchar, ?)', [SECRET]
            ).fetchone() or (0,)
            if hits:
                found.add((schema, table, hits))
    assert found == {
        ("restricted", "private_messages", 2),
        ("restricted", "private_meetings", 2),
        ("restricted", "private_action_items", 1),
        ("restricted", "private_pages", 3),
    }


def test_private_rows_are_counted_and_marked(rows: Query) -> None:
    # the second message was read while its channel was open; the third meeting does not say who may see it
    assert rows("select message_id from core.messages where is_private order by all") == [("C2:2.1",), ("C2:2.2",)]
    assert rows("select meeting_id from core.meetings where is_private order by all") == [("t2",), ("t3",)]
    assert rows("select action_item_id from core.action_items where is_private") == [("t2:0",)]


def test_a_page_below_a_private_page_is_private(rows: Query) -> None:
    assert rows("select page_id from core.pages where is_private order by all") == [
        (notion_id(digit),) for digit in "234"
    ]
    assert rows("select title, properties ->> 'Issue' from core.pages where not is_private") == [
        ("Plan of APP-1", "APP-2")
    ]


def test_completeness_lists_every_source_and_no_private_name(rows: Query) -> None:
    assert rows(
        "select source, entity, scope_name, at_source, held, why from quality.completeness "
        "where basis = 'census' order by source, scope_id"
    ) == [
        ("github", "pull_requests", "firm/app", 5, 2, "the census could not read them all again"),
        (
            "notion",
            "pages",
            None,
            1,
            2,
            "the source counts fewer than are held: not visible to the account, or its count is rounded",
        ),
        ("slack", "messages", "open", 2, 2, "complete"),
        ("slack", "messages", None, 2, 2, "complete"),
    ]
