"""Fireflies' webhooks: which meeting is ready. They carry no content.

V1 has ``eventType`` and ``meetingId``; V2 has ``event``, ``meeting_id`` and a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import Document

#: V1's only event, by its name in V2.
_TRANSCRIBED = {"transcription completed": "meeting.transcribed"}


def _parse(body: Document, _headers: Mapping[str, str]) -> ParsedBody:
    name = body.text("event") or body.text("eventType") or "unknown"
    kind = _TRANSCRIBED.get(name.lower(), name)
    meeting = body.text("meeting_id") or body.text("meetingId")
    return ParsedBody(
        type=kind,
        occurred_at=body.timestamp("timestamp"),
        subjects=(meeting and f"meeting:{meeting}",),
        title=f"{kind.replace('.', ' ')}: {meeting}" if meeting else kind,
        url=f"https://app.fireflies.ai/view/{meeting}" if meeting else None,
        facts={"reference": body.text("client_reference_id") or body.text("clientReferenceId")},
    )


READER = Reader(
    parse=_parse,
    facts={"reference": "the uploader's own name for the recording"},
    volatile=frozenset({"timestamp", "client_reference_id", "clientReferenceId"}),
    pulled_kinds=(
        PulledKind(
            "meeting",
            "transcripts",
            subject="row.id",
            name="'meeting ' || row.id",
            # Version 1 only reports meetings of the owner of the API key.
            scope="row.organizer_email",
            changed_at="coalesce(row.started_at, row.extracted_at)",
            changed_by=frozenset({"meeting.transcribed", "meeting.summarized"}),
            where="row.is_whole",
            # A meeting is ready hours after its start; an upload may carry a date of years ago.
            tolerance=timedelta(days=3650),
        ),
    ),
)
