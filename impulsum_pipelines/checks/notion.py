"""The checks that only Notion needs: is every page stored that a full sweep found, and is it complete."""

from __future__ import annotations

from impulsum_pipelines.checks.builder import compare_counts, no_orphans, no_rows
from impulsum_pipelines.checks.findings import Check, Finding, Raw, table_of, timestamp
from impulsum_pipelines.sources.base.table import ALIVE

#: Blocks under which nothing is stored: those that stand for something that is read as such, copies whose blocks are
#: stored at their original, and blocks of which Notion lists nothing.
_NOT_FOLLOWED = (
    "type not in ('child_page', 'child_database', 'unsupported') "
    "and not (type = 'synced_block' and json_extract_string(payload, '$.synced_block.synced_from.type') is not null)"
)

#: Notion gives no counts: what it has is what the newest full sweep of each data source found. It is compared with what
#: is stored of that time.
_SWEPT = """
    with newest as (
        select * from raw.census where entity = 'pages'
        qualify row_number() over (partition by scope_id order by taken_at desc) = 1
    )
    select scope_name as scope, at_source, taken_at, count(pages.id) as stored
    from newest
    left join raw.pages
        on newest.scope_id in (pages.data_source_id, pages.parent_type)
        and pages.created_at <= taken_at
        and (deleted_at is null or deleted_at > taken_at)
        and (unreachable_since is null or unreachable_since > taken_at)
    group by scope_id, scope_name, at_source, taken_at
    order by scope_name
"""

_PAGES_NOT_STORED = f"""
    select id, page_id as found_on, text as title
    from raw.blocks where {ALIVE} and type = 'child_page' and id not in (select id from raw.pages where {ALIVE})
    order by id
"""

_CUT_PROPERTIES = f"""
    select id, title from raw.pages
    where {ALIVE} and list_contains(json_extract_string(payload, '$.properties.*.has_more'), 'true')
    order by id
"""


def _whole_pages(raw: Raw) -> Finding:
    """A lost page of a list leaves a gap in the positions; a lost list leaves a block without its children."""
    gaps = raw.rows(
        f"""
        select page_id, parent_id as block, 'positions ' || min(position) || '..' || max(position) || ', stored '
            || count(*) as wrong
        from raw.blocks where {ALIVE}
        group by page_id, parent_id
        having count(*) <> max(position) + 1 or count(distinct position) <> count(*)
        order by page_id, parent_id
        """
    )
    barren = raw.rows(
        f"""
        select page_id, id as block, 'has blocks under it, none is stored' as wrong
        from raw.blocks
        where {ALIVE} and has_children and {_NOT_FOLLOWED}
            and id not in (select parent_id from raw.blocks where {ALIVE} and parent_id is not null)
        order by page_id, id
        """
    )
    wrong = gaps + barren
    if not wrong:
        return Finding(True, "Every list of blocks is stored from its first to its last.")
    text = (
        f"{len(gaps)} lists of blocks have gaps, and {len(barren)} blocks miss those under them. "
        "Run `impulsum sync notion --census`: it reads every page again."
    )
    numbers = {"lists with gaps": len(gaps), "blocks without their children": len(barren), "first": table_of(wrong)}
    return Finding(False, text, numbers=numbers)


_PAGES = f"select id from raw.pages where {ALIVE}"

CHECKS = (
    compare_counts(
        "completeness",
        "pages",
        "Each data source, and the tree of other pages, has as many pages here as the newest full sweep found.",
        _SWEPT,
        scopes="data sources and page trees",
        things="pages",
        empty="There was no full sweep yet.",
        more_numbers=lambda rows: {"newest sweep": timestamp(max(row["taken_at"] for row in rows))},
    ),
    no_rows(
        "whole_properties",
        "pages",
        "No property of a page is cut at the 25 references that Notion shows in a page. Fails when one is: the rest of "
        "its references is missing.",
        _CUT_PROPERTIES,
        good="No property is cut at 25 references.",
        bad="{count} pages have a property that was cut at 25 references; the rest is missing.",
        rows="pages",
    ),
    Check(
        "whole_pages",
        "blocks",
        "Every list of blocks is stored without a gap, and every block that has blocks under it has some stored. Fails "
        "when a part of a page is missing: run a sync with --census.",
        _whole_pages,
    ),
    no_rows(
        "pages_followed",
        "blocks",
        "Every page that a block leads to is stored. Up to 5 warn: pages come and go between two reads. More fail.",
        _PAGES_NOT_STORED,
        good="Every page that a block leads to is stored.",
        bad="{count} pages that blocks lead to are not stored.",
        rows="pages not stored",
        # One may have been trashed since its place in the list was read: the next pull looks there again.
        tolerated=5,
    ),
    # A page can be shared without its data source; blocks and comments cannot be without their page.
    no_orphans(
        "pages",
        "data_source_id",
        parents=f"select id from raw.data_sources where {ALIVE}",
        of="data sources",
        required=False,
        serious=False,
    ),
    no_orphans("blocks", "page_id", parents=_PAGES, of="pages", required=False),
    no_orphans("comments", "page_id", parents=_PAGES, of="pages", required=False),
)
