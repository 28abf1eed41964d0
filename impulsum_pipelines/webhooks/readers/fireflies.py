"""Fireflies' webhooks: which meeting is ready. They hold no content.

V1 says ``eventType`` and ``meetingId``, V2 ``event``, ``meeting_id`` and a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from impulsum_pipelines.webhooks.readers import Pulled, Reader, Reading
from impulsum_pipelines.webhooks.readers.document import Document

#: V1's only event, under the name that V2 gave it.
_TRANSCRIBED = {"transcription completed": "meeting.transcribed"}


def _read(body: Document, _headers: Mapping[str, str]) -> Reading:
    said = body.text("event") or body.text("eventType") or "unknown"
    kind = _TRANSCRIBED.get(said.lower(), said)
    meeting = body.text("meeting_id") or body.text("meetingId")
    return Reading(
        type=kind,
        occurred_at=body.moment("timestamp"),
        subjects=(meeting and f"meeting:{meeting}",),
        title=f"{kind.replace('.', ' ')}: {meeting}" if meeting else kind,
        url=f"https://app.fireflies.ai/view/{meeting}" if meeting else None,
        facts={"reference": body.text("client_reference_id") or body.text("clientReferenceId")},
    )


READER = Reader(
    read=_read,
    facts={"reference": "what the uploader of the recording called it"},
    volatile=frozenset({"timestamp", "client_reference_id", "clientReferenceId"}),
    pulled=(
        Pulled(
            "meeting",
            "transcripts",
            subject="row.id",
            name="'meeting ' || row.id",
            # Version 1 tells of meetings of the key's owner alone.
            part="row.organizer_email",
            changed_at="coalesce(row.started_at, row.extracted_at)",
            changed_by=frozenset({"meeting.transcribed", "meeting.summarized"}),
            where="row.is_whole",
            # It is ready hours after its start, or years after the day that an upload was given.
            apart=timedelta(days=3650),
        ),
    ),
)
