"""Notion's webhooks: which page, database, data source or comment changed. They carry no content."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta

from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "changed_blocks": "how many blocks of the page changed",
}

_LINK = re.compile(r"https://(?:www\.)?notion\.(?:so|com)/[^\s<>|\"')\]]*?([0-9a-f]{32})(?![0-9a-f])")


def _find_subjects(text: str) -> Iterator[str]:
    for digits in _LINK.findall(text):
        yield f"page:{_dashed(digits)}"


def _parse(body: Document, _headers: Mapping[str, str]) -> ParsedBody:
    if "verification_token" in body:
        raise ValueError("The body is a handshake for a new subscription, not an event")
    kind = body.text("type") or "unknown"
    entity, parent = body.child("entity"), body.child("data", "parent")
    page, identity = body.text("data", "page_id"), entity.text("id")
    authors = body.children("authors")
    return ParsedBody(
        type=kind,
        occurred_at=body.timestamp("timestamp"),
        subjects=(
            page and f"page:{_dashed(page)}",
            None if page and entity.text("type") == "comment" else _subject(entity),
            _subject(parent) if parent.text("type") != "space" else None,
        ),
        title=f"{kind.replace('.', ' ').replace('_', ' ')}: {page or identity}" if page or identity else kind,
        url=f"https://www.notion.so/{(page or identity or '').replace('-', '')}" if page or identity else None,
        actor=authors[0].text("id") if authors else None,
        facts={
            "changed_fields": body.texts("data", "updated_properties"),
            "changed_blocks": len(body.children("data", "updated_blocks")),
            "is_bot": bool(authors) and all(author.text("type") in {"bot", "agent"} for author in authors),
        },
    )


def _subject(part: Document) -> str | None:
    identity = part.text("id")
    return f"{part.text('type') or 'entity'}:{_dashed(identity)}" if identity else None


def _dashed(identity: str) -> str:
    """A UUID with its dashes; any other text unchanged."""
    digits = identity.replace("-", "").lower()
    if not re.fullmatch(r"[0-9a-f]{32}", digits):
        return identity
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


READER = Reader(
    parse=_parse,
    facts=FACTS,
    volatile=frozenset({"id", "timestamp", "attempt_number", "subscription_id", "integration_id", "accessible_by"}),
    find_subjects=_find_subjects,
    pulled_kinds=(
        PulledKind(
            "page",
            "pages",
            subject="row.id",
            name="'page ' || row.id",
            changed_at="row.updated_at",
            changed_by=frozenset({"page.created", "page.content_updated", "page.properties_updated"}),
            deleted_by=frozenset({"page.deleted"}),
            is_gone="row.in_trash or row.deleted_at is not null or row.unreachable_since is not null",
            # Notion cuts times to the minute, and collects the events of one page for some minutes.
            tolerance=timedelta(minutes=10),
        ),
    ),
)
