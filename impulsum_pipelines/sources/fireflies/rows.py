"""Fireflies' documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. A missing field is null; a value of a wrong type is null in its column and kept in the payload.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_datetime, as_float, as_int, as_text
from impulsum_pipelines.sources.fireflies.queries import (
    LIGHT_FIELDS,
    Document,
    fingerprint,
    keep_fields,
    summary_status,
)

Row = dict[str, Any]

_PRIVATE = frozenset({"owner", "participants"})
#: A heading among the action items: a line with a name in bold and nothing else.
_HEADING = re.compile(r"^\*\*(.+?)\*\*:?$")
#: The time at the end of a line: (02:30), or (1:02:30).
_TIME = re.compile(r"\s*\((?:(\d+):)?(\d{1,2}):(\d{2})\)\s*$")
_BULLET = re.compile(r"^[-*•]\s+")


def transcript(document: Document, *, is_whole: bool, listed: Document | None) -> Row:
    """One meeting.

    Args:
        document: light or whole.
        is_whole: whether it is the whole document of a finished meeting.
        listed: its document in the list; None when it was not listed. Where it differs from ``document``, it is kept in
            the payload: the row must change with it, or the meeting would be read again by every pull.
    """
    light = keep_fields(document, LIGHT_FIELDS)
    summary = document.get("summary")
    summary = summary if isinstance(summary, dict) else {}
    sentences = document.get("sentences")
    privacy = as_text(document.get("privacy"))
    payload = {name: value for name, value in document.items() if name != "sentences"}
    if listed is not None and fingerprint(listed) != fingerprint(light):
        payload["listed"] = listed
    return {
        "id": str(document["id"]),
        "title": as_text(document.get("title")),
        "started_at": as_datetime(document.get("date")),
        "duration_minutes": as_float(document.get("duration")),
        "organizer_email": as_text(document.get("organizer_email")),
        "host_email": as_text(document.get("host_email")),
        "is_live": bool(document.get("is_live")),
        "summary_status": summary_status(document),
        "is_whole": is_whole,
        "privacy": privacy,
        "is_private": privacy in _PRIVATE if privacy else None,
        "overview": as_text(summary.get("overview")),
        "action_items": as_text(summary.get("action_items")),
        "keywords": orjson.dumps(summary.get("keywords") or []).decode(),
        "sentence_total": len(sentences) if is_whole and isinstance(sentences, list) else (0 if is_whole else None),
        "meeting_link": as_text(document.get("meeting_link")),
        "transcript_url": as_text(document.get("transcript_url")),
        "fingerprint": fingerprint(light if listed is None else listed),
        "payload": payload,
    }


def sentence(transcript_id: str, document: Document) -> Row:
    """One sentence."""
    index = document["index"]
    if not isinstance(index, int):
        raise ValueError(f"a sentence has the index {index!r}, which is not a number")
    return {
        "id": f"{transcript_id}:{index}",
        "transcript_id": transcript_id,
        "index": index,
        "speaker_id": as_text(document.get("speaker_id")),
        "speaker": as_text(document.get("speaker_name")),
        "text": as_text(document.get("text")),
        "start_seconds": as_float(document.get("start_time")),
        "end_seconds": as_float(document.get("end_time")),
        "payload": document,
    }


def attendees(document: Document) -> Iterator[Row]:
    """The people of a meeting, each once: first those in the calendar, then the other addresses that took part."""
    transcript_id = str(document["id"])
    met: set[str] = set()
    invited = [person for person in document.get("meeting_attendees") or [] if isinstance(person, dict)]
    # One item of participants may be several addresses, separated by commas.
    addresses = [a.strip() for item in document.get("participants") or [] for a in str(item).split(",")]
    for person in [*invited, *({"email": address} for address in addresses if address)]:
        email = str(person.get("email") or "").strip().lower()
        name = person.get("displayName") or person.get("name")
        key = email or str(name or person.get("phoneNumber") or "").strip()
        if key and key not in met:
            met.add(key)
            yield {
                "id": f"{transcript_id}:{key}",
                "transcript_id": transcript_id,
                "email": email or None,
                "name": as_text(name) or None,
                "payload": person,
            }


def action_items(document: Document) -> Iterator[Row]:
    """The lines of a meeting's action items, each with its heading."""
    transcript_id = str(document["id"])
    summary = document.get("summary")
    text = summary.get("action_items") if isinstance(summary, dict) else None
    person: str | None = None
    count = 0
    for line in str(text or "").splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        if heading := _HEADING.match(stripped):
            person = None if heading[1].strip().lower() == "unassigned" else heading[1].strip()
            continue
        time = _TIME.search(stripped)
        yield {
            "id": f"{transcript_id}:{count}",
            "transcript_id": transcript_id,
            "number": count,
            "person": person,
            "text": _BULLET.sub("", _TIME.sub("", stripped)),
            "at_seconds": as_int(int(time[1] or 0) * 3600 + int(time[2]) * 60 + int(time[3])) if time else None,
            "payload": {"person": person, "line": stripped},
        }
        count += 1
