"""The raw tables of Notion: grain, columns and meaning. Ids are text with dashes, times are UTC, cut to the minute.

Notion shows no seconds: two edits within one minute have the same time.
"""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Scope, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("NOTION_TOKEN",)

#: The scopes in which people look for pages: data sources. Blocks and comments belong to the one of their page.
SCOPE = Scope("data_sources", "title", "data_source_id", through=("page_id", "pages"))

PAGES = Table(
    "pages",
    "One row per page that is shared with the integration: entries of data sources, and pages under other pages. The "
    "payload has every property complete, even where Notion cuts at 25 references; addresses of uploaded files in it "
    "expire after an hour.",
    (
        Column("title", "text", "Title as plain text."),
        Column("parent_type", "text", "What holds the page: data_source_id, page_id, block_id or workspace."),
        Column("parent_id", "text", "Id of what holds the page; null at the top of the workspace."),
        Column("data_source_id", "text", "Data source that the page is an entry of; null for other pages."),
        Column("database_id", "text", "Database of that data source."),
        Column("url", "text", "Address of the page."),
        Column("public_url", "text", "Address at which anybody can read it; null where it is not published."),
        Column("is_public", "bool", "True when it is published to the web."),
        Column("in_trash", "bool", "True when it lay in the trash at the last read."),
        Column("created_at", "timestamp", "When it was created, cut to the minute."),
        Column("updated_at", "timestamp", "When it was last edited, cut to the minute; the cursor of the live pull. "
               "Comments, nested blocks and moves need not touch it."),
        Column("created_by_id", "text", "User who created it."),
        Column("last_edited_by_id", "text", "User who edited it last."),
        Column("properties", "json", "Property name to plain value: text, number, true or false, name of an option, "
               "list of names or ids, {start, end, time_zone} of a date."),
    ),
    partitioned=True,
)  # fmt: skip

BLOCKS = Table(
    "blocks",
    "One row per block of a page, in reading order by parent and position. Blocks of type child_page and "
    "child_database have the id of the page or database that they stand for; the content of a synced copy is stored "
    "once, at its original.",
    (
        Column("page_id", "text", "Page that the block is part of."),
        Column("parent_id", "text", "Page or block right above it."),
        Column("depth", "int", "0 for a block of the first level."),
        Column("position", "int", "Place among the blocks of its parent, from 0."),
        Column("type", "text", "Type, such as paragraph, heading_2, to_do, child_page."),
        Column("text", "text", "Its text (title, caption, code) as plain text; null where it has none."),
        Column("has_children", "bool", "Whether Notion says that it has blocks under it."),
        Column("is_checked", "bool", "Of a to-do: whether it is ticked; null for others."),
        Column("created_at", "timestamp", "When it was created, cut to the minute."),
        Column("updated_at", "timestamp", "When it was last edited, cut to the minute."),
        Column("created_by_id", "text", "User who created it."),
        Column("last_edited_by_id", "text", "User who edited it last."),
    ),
    partitioned=True,
)

COMMENTS = Table(
    "comments",
    "One row per comment on a page as a whole. A comment that was resolved can no longer be listed and becomes "
    "unreachable. Comments on single blocks are not read: Notion lists them one block at a time.",
    (
        Column("page_id", "text", "Page commented on."),
        Column("parent_type", "text", "page_id, or block_id."),
        Column("parent_id", "text", "Page or block that it is attached to."),
        Column("discussion_id", "text", "Thread that it belongs to."),
        Column("text", "text", "Plain text."),
        Column("created_at", "timestamp", "When it was written, cut to the minute."),
        Column("updated_at", "timestamp", "When it was last edited, cut to the minute."),
        Column("created_by_id", "text", "User who wrote it."),
    ),
    partitioned=True,
)

DATA_SOURCES = Table(
    "data_sources",
    "One row per data source: a table of a database, with its schema.",
    (
        Column("title", "text", "Name."),
        Column("database_id", "text", "Database that holds it."),
        Column("parent_type", "text", "What holds that database: page_id, block_id or workspace."),
        Column("parent_id", "text", "Id of what holds that database."),
        Column("url", "text", "Address."),
        Column("in_trash", "bool", "True when it lay in the trash at the last read."),
        Column("created_at", "timestamp", "When it was created, cut to the minute."),
        Column("updated_at", "timestamp", "When its schema was last edited, cut to the minute."),
        Column("schema", "json", "Property name to type."),
    ),
)

USERS = Table(
    "users",
    "One row per member or integration of the workspace. Guests are not listed by Notion.",
    (
        Column("name", "text", "Display name."),
        Column("type", "text", "person or bot."),
        Column("email", "text", "Address of a person, where the integration may see it."),
    ),
)

TABLES = (PAGES, BLOCKS, COMMENTS, DATA_SOURCES, USERS)
