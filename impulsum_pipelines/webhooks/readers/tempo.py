"""Tempo's webhooks: worklogs, plans, teams, holidays, workload schemes. They name issues by id, not by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "hours": "the hours of a worklog",
    "is_by_other": "whether somebody other than its author changed the worklog",
}


def _parse(body: Document, headers: Mapping[str, str]) -> ParsedBody:
    kind = body.text("eventType") or "unknown"
    payload = body.child("payload")
    # Updates of some kinds contain both the old and the new state.
    thing = payload.child("changed") or payload
    family = kind.rpartition(".")[0]
    identity, worklog, issue = thing.text("id"), thing.text("tempoWorklogId"), thing.text("issue", "id")
    author, updater = thing.text("author", "accountId"), thing.text("updater", "accountId")
    seconds, text = thing.number("timeSpentSeconds"), thing.text("description")
    return ParsedBody(
        type=kind,
        occurred_at=_time(kind, thing, headers),
        subjects=(
            worklog and f"worklog:{worklog}",
            issue and f"issue-id:{issue}",
            identity and family and f"{family}:{identity}",
            *(f"team:{team}" for row in thing.children("memberships") if (team := row.text("teamId"))),
        ),
        title=_title(kind, thing, seconds),
        actor=updater or author,
        facts={
            "created_at": thing.timestamp("createdAt"),
            "hours": None if seconds is None else round(seconds / 3600, 3),
            "is_by_other": bool(author and updater and author != updater),
            "text": text if worklog else None,
        },
        texts=(text if worklog else None,),
    )


def _time(kind: str, thing: Document, headers: Mapping[str, str]) -> datetime | None:
    """The time of a worklog's change. A deleted worklog has the time of an earlier change: use the time of sending."""
    sent = Document(dict(headers)).timestamp("tempo-timestamp")
    return sent if kind.endswith(".deleted") else thing.timestamp("updatedAt") or sent


def _title(kind: str, thing: Document, seconds: float | None) -> str:
    happened = kind.replace(".", " ")
    name = thing.text("name") or thing.text("description")
    hours = f"{seconds / 3600:g} h" if seconds is not None else None
    details = ", ".join(filter(None, (hours, name)))
    return f"{happened}: {details}" if details else happened


READER = Reader(
    parse=_parse,
    facts=FACTS,
    volatile=frozenset({"eventId"}),
    pulled_kinds=(
        PulledKind(
            "worklog",
            "worklogs",
            subject="row.id",
            name="'worklog ' || row.id",
            changed_at="row.updated_at",
            changed_by=frozenset({"worklog.created", "worklog.updated"}),
            deleted_by=frozenset({"worklog.deleted"}),
        ),
    ),
)
