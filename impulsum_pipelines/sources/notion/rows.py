"""Turns Notion's documents into rows: the typed columns of :mod:`tables`, with the whole document beside them.

``hashed`` shows whether a row changed: the document without what differs between two reads of the same thing
(signatures of file addresses, the request's own id), and with its place where the document does not have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_datetime, as_text, text_field

Document = dict[str, Any]
Row = Mapping[str, Any]


def stable(value: Any) -> Any:
    """A document without what expires: the signature in an uploaded file's address, and the request id.

    Notion signs the address of a file again for each answer (https://developers.notion.com/reference/file-object).
    """
    if isinstance(value, dict):
        if "expiry_time" in value and isinstance(value.get("url"), str):
            kept = {name: stable(inner) for name, inner in value.items() if name not in ("expiry_time", "url")}
            return {**kept, "url": value["url"].partition("?")[0]}
        return {name: stable(inner) for name, inner in value.items() if name != "request_id"}
    return [stable(inner) for inner in value] if isinstance(value, list) else value


def plain_text(rich_text: object) -> str | None:
    """Rich text as plain text; None when it is empty."""
    if not isinstance(rich_text, list):
        return None
    return "".join(str(run.get("plain_text") or "") for run in rich_text if isinstance(run, dict)) or None


def parent_of(document: Document) -> tuple[str | None, str | None]:
    """Type and id of the parent of a document; the id is None at the top of the workspace."""
    parent = document.get("parent") or {}
    kind = as_text(parent.get("type"))
    return kind, as_text(parent.get(kind)) if kind and kind != "workspace" else None


def _edits(document: Document) -> Document:
    return {
        "created_at": as_datetime(document.get("created_time")),
        "updated_at": as_datetime(document.get("last_edited_time")),
        "created_by_id": text_field(document.get("created_by"), "id"),
    }


def page(document: Document) -> Row:
    """One page."""
    properties = document["properties"]
    titles = [value for value in properties.values() if value.get("type") == "title"]
    kind, parent_id = parent_of(document)
    simple = {name: simplified(value) for name, value in properties.items()}
    return {
        "id": str(document["id"]),
        "title": plain_text(titles[0].get("title")) if titles else None,
        "parent_type": kind,
        "parent_id": parent_id,
        "data_source_id": parent_id if kind == "data_source_id" else None,
        "database_id": text_field(document.get("parent"), "database_id"),
        "url": as_text(document.get("url")),
        "public_url": as_text(document.get("public_url")),
        "is_public": document.get("public_url") is not None,
        "in_trash": bool(document.get("in_trash")),
        **_edits(document),
        "last_edited_by_id": text_field(document.get("last_edited_by"), "id"),
        "properties": orjson.dumps(simple).decode(),
        "payload": document,
        "hashed": stable(document),
    }


def simplified(value: Document) -> Any:  # noqa: PLR0911  # one line per kind
    """A property's value as an analyst wants it; a value of an unknown type is unchanged."""
    kind = value.get("type")
    inner = value.get(kind) if kind else None
    if kind in ("title", "rich_text"):
        return plain_text(inner)
    if kind in ("select", "status"):
        return text_field(inner, "name")
    if kind in ("multi_select", "files"):
        return [text_field(one, "name") for one in inner or []]
    if kind in ("people", "relation"):
        return [text_field(one, "id") for one in inner or []]
    if kind in ("created_by", "last_edited_by"):
        return text_field(inner, "id")
    if kind == "formula" and isinstance(inner, dict):
        return inner.get(inner.get("type"))
    if kind == "unique_id" and isinstance(inner, dict):
        return "-".join(str(inner[name]) for name in ("prefix", "number") if inner.get(name) is not None)
    if kind == "rollup" and isinstance(inner, dict):
        found = inner.get(inner.get("type"))
        return [simplified(one) for one in found] if isinstance(found, list) else found
    return inner


def block(document: Document, page_id: str, depth: int, position: int) -> Row:
    """One block, at its place in a page. ``parent_id`` is the page or block that it was listed under."""
    kind = str(document["type"])
    content = document.get(kind)
    content = content if isinstance(content, dict) else {}
    found = plain_text(content.get("rich_text")) or plain_text(content.get("caption")) or as_text(content.get("title"))
    return {
        "id": str(document["id"]),
        "page_id": page_id,
        "parent_id": parent_of(document)[1],
        "depth": depth,
        "position": position,
        "type": kind,
        "text": found or as_text(content.get("expression")) or as_text(content.get("url")),
        "has_children": bool(document.get("has_children")),
        "is_checked": bool(content["checked"]) if "checked" in content else None,
        **_edits(document),
        "last_edited_by_id": text_field(document.get("last_edited_by"), "id"),
        "payload": document,
        "hashed": [page_id, depth, position, stable(document)],
    }


def comment(document: Document, page_id: str) -> Row:
    """One comment that was listed for a page."""
    kind, parent_id = parent_of(document)
    return {
        "id": str(document["id"]),
        "page_id": page_id,
        "parent_type": kind,
        "parent_id": parent_id,
        "discussion_id": as_text(document.get("discussion_id")),
        "text": plain_text(document.get("rich_text")),
        **_edits(document),
        "payload": document,
        "hashed": [page_id, stable(document)],
    }


def data_source(document: Document) -> Row:
    """One data source."""
    _, database_id = parent_of(document)
    kind, parent_id = parent_of({"parent": document.get("database_parent")})
    schema = {name: text_field(value, "type") for name, value in (document.get("properties") or {}).items()}
    edits = _edits(document)
    del edits["created_by_id"]
    return {
        "id": str(document["id"]),
        "title": plain_text(document.get("title")),
        "database_id": database_id,
        "parent_type": kind,
        "parent_id": parent_id,
        "url": as_text(document.get("url")),
        "in_trash": bool(document.get("in_trash")),
        **edits,
        "schema": orjson.dumps(schema).decode(),
        "payload": document,
        "hashed": stable(document),
    }


def user(document: Document) -> Row:
    """One member or integration."""
    return {
        "id": str(document["id"]),
        "name": as_text(document.get("name")),
        "type": as_text(document.get("type")),
        "email": text_field(document.get("person"), "email"),
        "payload": document,
        "hashed": stable(document),
    }
