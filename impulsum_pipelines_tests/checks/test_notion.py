"""Each check of Notion passes on sound data, and is seen to fail on data corrupted in the way it guards against."""

from __future__ import annotations

from functools import partial

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.notion import CHECKS
from impulsum_pipelines.loading.raw import ensure_tables
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.checks import support

evaluate = partial(support.evaluate, "notion")

SOUND = """
insert into raw.data_sources (id, title) values ('ds', 'Specs');
insert into raw.pages (id, title, parent_type, parent_id, data_source_id, created_at, payload) values
    ('p1', 'One', 'data_source_id', 'ds', 'ds', '2026-11-01', '{"properties":{"R":{"relation":[],"has_more":false}}}'),
    ('p2', 'Two', 'page_id', 'p1', null, '2026-11-01', '{"properties":{}}'),
    ('new', 'Made after the sweep', 'page_id', 'p1', null, '2026-11-03', '{"properties":{}}');
insert into raw.pages (id, parent_type, data_source_id, created_at, payload, deleted_at) values
    ('p3', 'data_source_id', 'ds', '2026-11-01', '{"properties":{"R":{"has_more":true}}}', '2026-11-01');
insert into raw.blocks (id, page_id, parent_id, position, type, has_children, payload) values
    ('b1', 'p1', 'p1', 0, 'toggle', true, '{}'), ('b2', 'p1', 'b1', 0, 'paragraph', false, '{}'),
    ('p2', 'p1', 'p1', 1, 'child_page', true, '{}'), ('new', 'p1', 'p1', 2, 'child_page', false, '{}'),
    ('copy', 'p2', 'p2', 0, 'synced_block', true, '{"synced_block":{"synced_from":{"type":"block_id"}}}');
insert into raw.comments (id, page_id) values ('c1', 'p1');
insert into raw.census (sync_id, taken_at, entity, scope_id, scope_name, at_source, held) values
    ('s', '2026-11-02', 'pages', 'ds', 'Specs', 1, 1), ('s', '2026-11-02', 'pages', 'page_id', 'pages', 1, 1);
"""

#: (check, table, what breaks, statement, serious)
CORRUPTIONS = [
    ("completeness", "pages", "a page lost", "delete from raw.pages where id = 'p1'", False),
    ("completeness", "pages", "many lost", "update raw.census set at_source = 90 where scope_id = 'ds'", True),
    ("completeness", "pages", "a page of the tree lost", "delete from raw.pages where id = 'p2'", False),
    (
        "whole_properties",
        "pages",
        "a property cut",
        """update raw.pages set payload = '{"properties":{"R":{"relation":[],"has_more":true}}}' where id = 'p1'""",
        True,
    ),
    ("whole_pages", "blocks", "a gap", "delete from raw.blocks where id = 'p2'", True),
    ("whole_pages", "blocks", "a list lost", "delete from raw.blocks where id = 'b2'", True),
    ("whole_pages", "blocks", "a place twice", "update raw.blocks set position = 1 where id = 'new'", True),
    ("pages_followed", "blocks", "a page lost", "delete from raw.pages where id = 'p2'", False),
    (
        "pages_followed",
        "blocks",
        "many lost",
        "insert into raw.blocks (id, page_id, type) select 'x' || i, 'p1', 'child_page' from range(6) t(i)",
        True,
    ),
    ("no_orphans", "pages", "no data source", "delete from raw.data_sources", False),
    ("no_orphans", "blocks", "no page", "update raw.blocks set page_id = 'unknown' where id = 'b2'", True),
    ("no_orphans", "comments", "a deleted page", "update raw.comments set page_id = 'p3'", True),
]


@pytest.fixture
def home() -> Home:
    """A home with a small, sound raw file of Notion."""
    return support.home_with(notion=SOUND)


def test_sound_data_passes_every_check(home: Home) -> None:
    found = {(check.name, check.table): evaluate(home, check.name, check.table) for check in CHECKS}
    assert {key: finding.text for key, finding in found.items() if not finding.passed} == {}


@pytest.mark.parametrize(
    ("name", "table", "what", "statement", "serious"), CORRUPTIONS, ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS]
)
def test_corrupted_data_fails(home: Home, name: str, table: str, what: str, statement: str, serious: bool) -> None:
    with home.write_raw("notion") as connection:
        connection.execute(statement)
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert found.serious is serious
    assert found.numbers


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in CHECKS}


def test_a_file_without_a_sweep_passes() -> None:
    home = Home.of(load_settings())
    ensure_tables(home, "notion")
    assert all(evaluate(home, check.name, check.table).passed for check in CHECKS)
