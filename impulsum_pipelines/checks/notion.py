"""The checks that know Notion: is every page held whole that a full sweep met, and does it fit together."""

from __future__ import annotations

from functools import partial

from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, instant, table_of
from impulsum_pipelines.sources.base.table import ALIVE

#: What stands for something that is read as such, copies whose blocks are held at their original, and blocks of which
#: Notion lists nothing.
_NOT_FOLLOWED = (
    "type not in ('child_page', 'child_database', 'unsupported') "
    "and not (type = 'synced_block' and json_extract_string(payload, '$.synced_block.synced_from.type') is not null)"
)


def _completeness(raw: Raw) -> Finding:
    """Notion has no counts: what it has is what the newest full sweep of each data source met."""
    scopes = raw.rows(
        """
        with newest as (
            select * from raw.census where entity = 'pages'
            qualify row_number() over (partition by scope_id order by taken_at desc) = 1
        )
        select scope_name, at_source, taken_at, count(pages.id) as held
        from newest
        left join raw.pages
            on newest.scope_id in (pages.data_source_id, pages.parent_type)
            and pages.created_at <= taken_at
            and (deleted_at is null or deleted_at > taken_at)
            and (unreachable_since is null or unreachable_since > taken_at)
        group by scope_id, scope_name, at_source, taken_at
        order by scope_name
        """
    )
    if not scopes:
        return Finding(True, "There was no full sweep yet.")
    wrong = [s for s in scopes if not agreement(s["at_source"], s["held"])[0]]
    serious = any(agreement(s["at_source"], s["held"])[1] for s in wrong)
    text = (
        f"{len(wrong)} of {len(scopes)} scopes differ: "
        + ", ".join(f"{s['scope_name']} had {s['at_source']}, held {s['held']}" for s in wrong[:10])
        if wrong
        else f"All {len(scopes)} data sources and parts of the page tree are held whole."
    )
    numbers = {
        "at source": sum(s["at_source"] for s in scopes),
        "held": sum(s["held"] for s in scopes),
        "newest sweep": instant(max(s["taken_at"] for s in scopes)),
        "scopes": table_of(scopes),
    }
    return Finding(not wrong, text, serious=serious, numbers=numbers)


def _whole_pages(raw: Raw) -> Finding:
    """A lost page of a list leaves a gap in the positions; a lost list leaves a block without its children."""
    gaps = raw.rows(
        f"""
        select page_id, parent_id as block, 'positions ' || min(position) || '..' || max(position) || ', held '
            || count(*) as wrong
        from raw.blocks where {ALIVE}
        group by page_id, parent_id
        having count(*) <> max(position) + 1 or count(distinct position) <> count(*)
        order by page_id, parent_id
        """
    )
    barren = raw.rows(
        f"""
        select page_id, id as block, 'has blocks under it, none is held' as wrong
        from raw.blocks
        where {ALIVE} and has_children and {_NOT_FOLLOWED}
            and id not in (select parent_id from raw.blocks where {ALIVE} and parent_id is not null)
        order by page_id, id
        """
    )
    wrong = gaps + barren
    if not wrong:
        return Finding(True, "Every list of blocks is held from its first to its last.")
    text = f"{len(gaps)} lists of blocks have gaps, and {len(barren)} blocks miss those under them."
    numbers = {"lists with gaps": len(gaps), "blocks without their children": len(barren), "first": table_of(wrong)}
    return Finding(False, text, numbers=numbers)


def _pages_followed(raw: Raw) -> Finding:
    lost = raw.rows(
        f"""
        select id, page_id as found_on, text as title
        from raw.blocks where {ALIVE} and type = 'child_page' and id not in (select id from raw.pages where {ALIVE})
        order by id
        """
    )
    if not lost:
        return Finding(True, "Every page that a block leads to is held.")
    numbers = {"pages not held": len(lost), "first": table_of(lost)}
    # One may have been trashed since its place in the list was read: the next pull looks there again.
    return Finding(
        False, f"{len(lost)} pages that blocks lead to are not held.", serious=len(lost) > 5, numbers=numbers
    )


def _whole_properties(raw: Raw) -> Finding:
    cut = raw.rows(
        f"""
        select id, title from raw.pages
        where {ALIVE} and list_contains(json_extract_string(payload, '$.properties.*.has_more'), 'true')
        order by id
        """
    )
    if not cut:
        return Finding(True, "No property is cut at 25 references.")
    numbers = {"pages": len(cut), "first": table_of(cut)}
    return Finding(False, f"{len(cut)} pages have a property that was cut at 25 references.", numbers=numbers)


def _no_orphans(raw: Raw, *, table: str, column: str, parent: str) -> Finding:
    orphans = raw.rows(
        f"select id, {column} from raw.{table} where {ALIVE} and {column} is not null "
        f"and {column} not in (select id from raw.{parent} where {ALIVE}) order by id"
    )
    noun = parent.replace("_", " ")
    if not orphans:
        return Finding(True, f"All {table} belong to {noun} that are held.")
    numbers = {"orphans": len(orphans), "first": table_of(orphans)}
    # A page can be shared without its data source; blocks and comments cannot be without their page.
    text = f"{len(orphans)} {table} belong to no {noun} that are held."
    return Finding(False, text, serious=table != "pages", numbers=numbers)


CHECKS = (
    Check(
        "completeness",
        "pages",
        "Each data source, and the tree of other pages, has as many pages here as the newest full sweep met. A small "
        "difference warns: pages move and come back. More than 5 and 1 % is an error: run a sync with --census.",
        _completeness,
    ),
    Check(
        "whole_properties",
        "pages",
        "No property of a page is cut at the 25 references that Notion shows in a page.",
        _whole_properties,
    ),
    Check(
        "whole_pages",
        "blocks",
        "Every list of blocks is held without a gap, and every block that has blocks under it holds some.",
        _whole_pages,
    ),
    Check(
        "pages_followed",
        "blocks",
        "Every page that a block leads to is held. Up to 5 warn: pages come and go between two reads.",
        _pages_followed,
    ),
    *(
        Check(
            "no_orphans",
            table,
            f"All {table} belong to {parent.replace('_', ' ')} that are held.",
            partial(_no_orphans, table=table, column=column, parent=parent),
        )
        for table, column, parent in (
            ("pages", "data_source_id", "data_sources"),
            ("blocks", "page_id", "pages"),
            ("comments", "page_id", "pages"),
        )
    ),
)
