"""The raw tables of Fireflies: grain, columns and meaning. Ids are text everywhere, times are UTC."""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("FIREFLIES_API_KEY",)

#: Meetings are not divided into scopes.
SCOPE = None

TRANSCRIPTS = Table(
    "transcripts",
    "One row per meeting that the key sees. deleted_at means deleted or no longer shared: Fireflies does not tell "
    "these apart. The payload is the whole document without its sentences.",
    (
        Column("title", "text", "Title."),
        Column("started_at", "timestamp", "When the meeting began; of an upload, the date that it was given."),
        Column("duration_minutes", "double", "Length, minutes."),
        Column("organizer_email", "text", "Who called the meeting."),
        Column("host_email", "text", "Who hosted it."),
        Column("is_live", "bool", "True while the meeting is live."),
        Column(
            "summary_status",
            "text",
            "processing, processed, failed, skipped or default; null for old meetings, which are finished.",
        ),
        Column(
            "is_whole",
            "bool",
            "True when the meeting was finished and read whole. False while it is live, is processed or waits for "
            "the day's quota: it then has no rows in the other tables.",
        ),
        Column("privacy", "text", "Who may see it: link, owner, participants, teammatesandparticipants or teammates."),
        Column("is_private", "bool", "True when only its owner, or only its participants, may see it."),
        Column("overview", "text", "Summary in a few sentences."),
        Column("action_items", "text", "What was promised, as one text; the table action_items has it line by line."),
        Column("keywords", "json", "List of keywords of the summary."),
        Column("sentence_total", "int", "How many sentences the meeting had when it was read whole; else null."),
        Column("meeting_link", "text", "Where the meeting was held."),
        Column("transcript_url", "text", "The meeting's page at Fireflies."),
        Column("fingerprint", "text", "Hash of what the list of meetings says; when it differs, it is read again."),
    ),
    partitioned=True,
)

SENTENCES = Table(
    "sentences",
    "One row per sentence of a finished meeting, keyed by transcript:index. Captions of live meetings are left out.",
    (
        Column("transcript_id", "text", "The meeting."),
        Column("index", "int", "Place in the meeting, from 0."),
        Column("speaker_id", "text", "Number of the speaker in this meeting."),
        Column("speaker", "text", "Name of the speaker."),
        Column("text", "text", "What was said."),
        Column("start_seconds", "double", "Begin, seconds from the start of the meeting."),
        Column("end_seconds", "double", "End, seconds from the start of the meeting."),
    ),
    partitioned=True,
)

ATTENDEES = Table(
    "attendees",
    "One row per person of a finished meeting, keyed by transcript:address (or the name where there is no address).",
    (
        Column("transcript_id", "text", "The meeting."),
        Column("email", "text", "Address, lower case."),
        Column("name", "text", "Name, where known."),
    ),
    partitioned=True,
)

ACTION_ITEMS = Table(
    "action_items",
    "One row per line of a meeting's action items, keyed by transcript:number.",
    (
        Column("transcript_id", "text", "The meeting."),
        Column("number", "int", "Place among the meeting's action items, from 0."),
        Column("person", "text", "Heading under which the line stands: who is to do it. Null for Unassigned or none."),
        Column("text", "text", "What is to be done, without the time at its end."),
        Column("at_seconds", "int", "When it was said, seconds from the start of the meeting, where the line says so."),
    ),
    partitioned=True,
)

TABLES = (TRANSCRIPTS, SENTENCES, ATTENDEES, ACTION_ITEMS)
