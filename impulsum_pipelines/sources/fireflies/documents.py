"""What we ask of a meeting: the light document of the list, and the whole one.

Not asked for, on purpose: ``audio_url`` and ``video_url`` (signed links, new in each answer), ``analytics`` and
``apps_preview`` (of dearer plans: to ask would spoil the answer on the others), and of users their counts, which
change with every meeting. Vendor page: https://docs.fireflies.ai/schema/transcript.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

Document = dict[str, Any]

#: A selection: field name to the selection of its parts, or None for a value.
Selection = Mapping[str, Any]

#: ``meeting_info.summary_status`` while the summary is still being made.
UNFINISHED = "processing"

_USER = dict.fromkeys(("user_id", "email", "name"))

#: What a list shows of each meeting. Speakers are in it, so that a renamed one is noticed.
LIGHT: Selection = {
    **dict.fromkeys(("id", "title", "date", "duration", "privacy", "organizer_email", "host_email", "is_live")),
    **dict.fromkeys(("meeting_link", "transcript_url", "participants", "workspace_users")),
    "meeting_info": dict.fromkeys(("silent_meeting", "summary_status", "fred_joined")),
    "speakers": dict.fromkeys(("id", "name")),
    "shared_with": dict.fromkeys(("email", "name", "expires_at")),
    "channels": dict.fromkeys(("id", "title", "is_private")),
}

WHOLE: Selection = {
    **LIGHT,
    **dict.fromkeys(("dateString", "calendar_id", "cal_id", "calendar_type", "fireflies_users")),
    "user": _USER,
    "meeting_attendees": dict.fromkeys(("displayName", "email", "phoneNumber", "name", "location")),
    "meeting_attendance": dict.fromkeys(("name", "join_time", "leave_time")),
    "sentences": {
        **dict.fromkeys(("index", "speaker_name", "speaker_id", "raw_text", "text", "start_time", "end_time")),
        "ai_filters": dict.fromkeys(
            ("text_cleanup", "task", "pricing", "metric", "question", "date_and_time", "sentiment")
        ),
    },
    "summary": {
        **dict.fromkeys(("keywords", "action_items", "outline", "shorthand_bullet", "overview", "bullet_gist")),
        **dict.fromkeys(("notes", "gist", "short_summary", "short_overview", "meeting_type", "topics_discussed")),
        "transcript_chapters": None,
        "extended_sections": dict.fromkeys(("title", "content")),
    },
}


def selected(selection: Selection) -> str:
    """A selection as GraphQL."""
    return " ".join(name if parts is None else f"{name} {{ {selected(parts)} }}" for name, parts in selection.items())


def cut(document: Any, selection: Selection) -> Any:
    """What a selection would have given of a document."""
    if isinstance(document, list):
        return [cut(item, selection) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        name: document.get(name) if parts is None else cut(document.get(name), parts)
        for name, parts in selection.items()
    }


def fingerprint(light: Document) -> str:
    """What changes when anything changes that the list shows. Orders that mean nothing do not count."""
    settled = {
        name: sorted(value, key=orjson.dumps) if isinstance(value, list) else value for name, value in light.items()
    }
    return blake2b(orjson.dumps(settled, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def status_of(document: Document) -> str | None:
    """How far the summary is."""
    info = document.get("meeting_info")
    status = info.get("summary_status") if isinstance(info, dict) else None
    return status if isinstance(status, str) else None


def is_finished(document: Document) -> bool:
    """Over, and nothing of it is still being made. What is said of a live meeting are captions that change."""
    return not document.get("is_live") and status_of(document) != UNFINISHED
