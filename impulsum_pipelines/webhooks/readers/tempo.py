"""Tempo's webhooks: worklogs, plans, teams, holidays, workload schemes. They name issues by id, never by key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from impulsum_pipelines.webhooks.readers import Pulled, Reader, Reading
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "hours": "the hours of a worklog",
    "is_by_other": "whether somebody else than the worker changed the worklog",
}


def _read(body: Document, headers: Mapping[str, str]) -> Reading:
    kind = body.text("eventType") or "unknown"
    payload = body.part("payload")
    # Updates of some kinds say both what was and what is.
    thing = payload.part("changed") or payload
    family = kind.rpartition(".")[0]
    identity, worklog, issue = thing.text("id"), thing.text("tempoWorklogId"), thing.text("issue", "id")
    author, updater = thing.text("author", "accountId"), thing.text("updater", "accountId")
    seconds, text = thing.number("timeSpentSeconds"), thing.text("description")
    return Reading(
        type=kind,
        occurred_at=_time(kind, thing, headers),
        subjects=(
            worklog and f"worklog:{worklog}",
            issue and f"issue-id:{issue}",
            identity and family and f"{family}:{identity}",
            *(f"team:{team}" for row in thing.parts("memberships") if (team := row.text("teamId"))),
        ),
        title=_title(kind, thing, seconds),
        actor=updater or author,
        facts={
            "created_at": thing.moment("createdAt"),
            "hours": None if seconds is None else round(seconds / 3600, 3),
            "is_by_other": bool(author and updater and author != updater),
            "text": text if worklog else None,
        },
        texts=(text if worklog else None,),
    )


def _time(kind: str, thing: Document, headers: Mapping[str, str]) -> datetime | None:
    """A worklog's own time; that of a deleted one is of the change before. The rest says only when it was sent."""
    sent = Document(dict(headers)).moment("tempo-timestamp")
    return sent if kind.endswith(".deleted") else thing.moment("updatedAt") or sent


def _title(kind: str, thing: Document, seconds: float | None) -> str:
    happened = kind.replace(".", " ")
    name = thing.text("name") or thing.text("description")
    hours = f"{seconds / 3600:g} h" if seconds is not None else None
    said = ", ".join(filter(None, (hours, name)))
    return f"{happened}: {said}" if said else happened


READER = Reader(
    read=_read,
    facts=FACTS,
    volatile=frozenset({"eventId"}),
    pulled=(
        Pulled(
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
