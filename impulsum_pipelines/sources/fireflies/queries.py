"""Which GraphQL fields we ask for; a file of its own because the client, the walk and the rows must agree on them.

A meeting is asked for as a light document (what the list shows) or as a whole one.

Deliberately not asked for: ``audio_url`` and ``video_url`` (signed links, new in each answer), ``analytics`` and
``apps_preview`` (only in more expensive plans: on the others, asking makes the whole answer fail), and the users'
counts, which change with every meeting. Vendor page: https://docs.fireflies.ai/schema/transcript.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

import orjson

Document = dict[str, Any]

#: Field name to the selection of its sub-fields, or None for a plain value.
Selection = Mapping[str, Any]

#: ``meeting_info.summary_status`` while the summary is still being made.
UNFINISHED = "processing"

_USER = dict.fromkeys(("user_id", "email", "name"))

#: What a list shows of each meeting. Speakers are in it, so that a renamed one is noticed.
LIGHT_FIELDS: Selection = {
    **dict.fromkeys(("id", "title", "date", "duration", "privacy", "organizer_email", "host_email", "is_live")),
    **dict.fromkeys(("meeting_link", "transcript_url", "participants", "workspace_users")),
    "meeting_info": dict.fromkeys(("silent_meeting", "summary_status", "fred_joined")),
    "speakers": dict.fromkeys(("id", "name")),
    "shared_with": dict.fromkeys(("email", "name", "expires_at")),
    "channels": dict.fromkeys(("id", "title", "is_private")),
}

WHOLE_FIELDS: Selection = {
    **LIGHT_FIELDS,
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


def to_graphql(selection: Selection) -> str:
    """A selection in GraphQL's syntax."""
    return " ".join(name if below is None else f"{name} {{ {to_graphql(below)} }}" for name, below in selection.items())


def keep_fields(document: Any, selection: Selection) -> Any:
    """The document with only the fields of a selection, as if it had been asked for with that selection."""
    if isinstance(document, list):
        return [keep_fields(item, selection) for item in document]
    if not isinstance(document, dict):
        return document
    return {
        name: document.get(name) if below is None else keep_fields(document.get(name), below)
        for name, below in selection.items()
    }


def fingerprint(light: Document) -> str:
    """A hash that differs when anything differs that the list shows. The order within a list has no meaning."""
    sorted_lists = {
        name: sorted(value, key=orjson.dumps) if isinstance(value, list) else value for name, value in light.items()
    }
    return blake2b(orjson.dumps(sorted_lists, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def summary_status(document: Document) -> str | None:
    """How far the summary is, as Fireflies says it; None where it does not."""
    info = document.get("meeting_info")
    status = info.get("summary_status") if isinstance(info, dict) else None
    return status if isinstance(status, str) else None


def is_finished(document: Document) -> bool:
    """Whether the meeting is over and its summary is made. A live meeting has only captions, which still change."""
    return not document.get("is_live") and summary_status(document) != UNFINISHED
