"""The meetings of the sandbox's Fireflies: their sentences, their summaries, and who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.team import Person, Team

Document = dict[str, Any]

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Statuses in which the summary is still being made.
UNFINISHED = "processing"


@dataclass
class Meeting:
    """One meeting.

    Args:
        id: in the form of Fireflies; it contains no time.
        title: its title.
        date: when it began, epoch ms. An upload has the date of its file.
        minutes: how long it took.
        organizer: who called it; the host, too.
        people: everybody who was there, the organizer too.
        lines: the sentences: (number of the person, text).
        tasks: the promises: (number of the person, or None for nobody, text).
        status: ``meeting_info.summary_status``.
        live: whether it is going on; then the sentences are captions.
        privacy: one of the vendor's levels.
        shared: addresses that it was shared with.
        names: speakers that were renamed in this meeting, by the person's number.
        hidden: whether the key does not see it.
    """

    id: str
    title: str
    date: int
    minutes: float
    organizer: Person
    people: list[Person]
    lines: list[tuple[int, str]] = field(default_factory=list)
    tasks: list[tuple[int | None, str]] = field(default_factory=list)
    status: str = "processed"
    live: bool = False
    privacy: str = "teammates"
    shared: list[str] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    hidden: bool = False

    @property
    def finished(self) -> bool:
        """Whether it has ended and its summary is no longer being made."""
        return not self.live and self.status != UNFINISHED

    @property
    def overview(self) -> str | None:
        """The summary in a few sentences; only of a processed meeting."""
        return f"The team met about: {self.title}." if self.status == "processed" and not self.live else None

    @property
    def action_items(self) -> str | None:
        """The promises as the vendor writes them: one text with a heading per person and a time after each promise."""
        if not self.overview:
            return None
        text = ""
        heading: object = ""
        for number, (person, task) in enumerate(self.tasks):
            if person != heading:
                heading = person
                text += f"\n**{'Unassigned' if person is None else self.speaker(person)}**\n"
            text += f"{task} ({number:02d}:30)\n"
        return text

    def speaker(self, number: int) -> str:
        """The name of a person as a speaker of this meeting."""
        return self.names.get(number) or next(p.name for p in self.people if p.number == number)

    def sentences(self) -> Iterator[Document]:
        """The sentences, with times in seconds from the start."""
        step = self.minutes * 60 / max(len(self.lines), 1)
        for index, (person, text) in enumerate(self.lines):
            yield {
                "index": index,
                "speaker_name": self.speaker(person),
                "speaker_id": person,
                "raw_text": text.lower(),
                "text": text,
                "start_time": round(index * step, 2),
                "end_time": round(index * step + step * 0.9, 2),
                "ai_filters": {"task": text if "will" in text else None, "question": text if "?" in text else None},
            }


class Meetings:
    """All meetings of the team, and the owner of the key that asks for them.

    Args:
        team: whose meetings they are; the first of its people owns the key and is an administrator.
    """

    def __init__(self, team: Team) -> None:
        self.team = team
        self.chance = team.rng("fireflies")
        self.all: dict[str, Meeting] = {}
        self.owner = team.people[0]
        #: How many links were signed, so that a signed link is new in each answer.
        self.signatures = 0

    def new_id(self) -> str:
        """A new id in the form of Fireflies."""
        return "01" + "".join(self.chance.choices(_CROCKFORD, k=24))

    def add(self, meeting: Meeting) -> Meeting:
        """Add a meeting."""
        self.all[meeting.id] = meeting
        return meeting

    def visible(self) -> list[Meeting]:
        """The meetings that the key sees, newest first."""
        return sorted((m for m in self.all.values() if not m.hidden), key=lambda m: (-m.date, m.id))

    def people(self, count: int, first: Person) -> list[Person]:
        """``first`` and some others: at most ``count`` people."""
        others = [person for person in self.team.people if person is not first]
        return [first, *self.chance.sample(others, min(count - 1, len(others)))]

    def document(self, meeting: Meeting) -> Document:
        """A meeting as the schema's Transcript, without its sentences."""
        self.signatures += 1
        over = meeting.overview
        seen_by = [person.email for person in meeting.people]
        return {
            "id": meeting.id,
            "title": meeting.title,
            "date": float(meeting.date),
            "dateString": to_datetime(meeting.date).isoformat().replace("+00:00", "Z"),
            "duration": meeting.minutes,
            "privacy": meeting.privacy,
            "organizer_email": meeting.organizer.email,
            "host_email": meeting.organizer.email,
            "user": self.user(meeting.organizer),
            "participants": seen_by,
            "fireflies_users": seen_by[:1],
            "workspace_users": seen_by,
            "is_live": meeting.live,
            "transcript_url": f"https://app.fireflies.ai/view/{meeting.id}",
            "audio_url": f"https://media.fireflies.ai/{meeting.id}.mp3?signature={self.signatures}",
            "video_url": None,
            "meeting_link": f"https://meet.example.com/{meeting.id[-8:].lower()}",
            "calendar_id": meeting.id[-12:].lower(),
            "cal_id": meeting.id[-12:].lower(),
            "calendar_type": "google",
            "meeting_info": {"silent_meeting": False, "summary_status": meeting.status, "fred_joined": True},
            "meeting_attendees": [
                {"displayName": p.name, "email": p.email, "phoneNumber": None, "name": p.name, "location": None}
                for p in meeting.people
            ],
            "meeting_attendance": [
                {"name": p.name, "join_time": to_datetime(meeting.date).isoformat(), "leave_time": None}
                for p in meeting.people
            ],
            "speakers": [{"id": float(n), "name": meeting.speaker(n)} for n in sorted({n for n, _ in meeting.lines})],
            "summary": {
                "overview": over,
                "short_summary": over,
                "gist": meeting.title if over else None,
                "action_items": meeting.action_items,
                "keywords": meeting.title.split() if over else None,
                "topics_discussed": [meeting.title] if over else None,
                "meeting_type": "Engineering" if over else None,
            },
            "channels": [],
            "shared_with": [
                {"email": email, "name": email.partition("@")[0], "photo_url": None, "expires_at": None}
                for email in meeting.shared
            ],
            "analytics": None,
            "apps_preview": {"outputs": []},
        }

    def user(self, person: Person) -> Document:
        """A member of the team; counts the meetings that the person organized, also those that the key does not see."""
        return {
            "user_id": f"user-{person.number}",
            "email": person.email,
            "name": person.name,
            "num_transcripts": float(sum(m.organizer is person for m in self.all.values())),
            "is_admin": person is self.owner,
            "is_calendar_in_sync": True,
            "integrations": [],
            "user_groups": [],
        }

    def truth(self) -> dict[str, dict[str, Document]]:
        """Every row that must be stored now, by table and id; for an unfinished meeting only its transcript."""
        truth: dict[str, dict[str, Document]] = {
            "transcripts": {},
            "sentences": {},
            "attendees": {},
            "action_items": {},
        }
        for meeting in self.visible():
            truth["transcripts"][meeting.id] = {
                "title": meeting.title,
                "started_at": meeting.date,
                "duration_minutes": meeting.minutes,
                "organizer_email": meeting.organizer.email,
                "host_email": meeting.organizer.email,
                "is_live": meeting.live,
                "is_whole": meeting.finished,
                "summary_status": meeting.status,
                "privacy": meeting.privacy,
                "is_private": meeting.privacy in ("owner", "participants"),
                "overview": meeting.overview,
                "action_items": meeting.action_items,
                "meeting_link": f"https://meet.example.com/{meeting.id[-8:].lower()}",
            }
            if not meeting.finished:
                continue
            truth["transcripts"][meeting.id]["sentence_total"] = len(meeting.lines)
            for sentence in meeting.sentences():
                truth["sentences"][f"{meeting.id}:{sentence['index']}"] = {
                    "transcript_id": meeting.id,
                    "index": sentence["index"],
                    "speaker": sentence["speaker_name"],
                    "text": sentence["text"],
                    "start_seconds": sentence["start_time"],
                    "end_seconds": sentence["end_time"],
                }
            for person in meeting.people:
                truth["attendees"][f"{meeting.id}:{person.email}"] = {
                    "transcript_id": meeting.id,
                    "email": person.email,
                    "name": person.name,
                }
            for number, (who, task) in enumerate(meeting.tasks if meeting.overview else ()):
                truth["action_items"][f"{meeting.id}:{number}"] = {
                    "transcript_id": meeting.id,
                    "number": number,
                    "person": None if who is None else meeting.speaker(who),
                    "text": task,
                    "at_seconds": number * 60 + 30,
                }
        return truth


def conversation(chance: Random, people: list[Person], about: str, count: int) -> list[tuple[int, str]]:
    """``count`` sentences of people about something."""
    phrases = (
        "Let us talk about {about}.",
        "I looked at {about} yesterday, and it is nearly there.",
        "What is left to do?",
        "The review took longer than we thought.",
        "I think that we should split it.",
        "Who takes that?",
        "I will do it until Thursday.",
        "That blocks the release, does it not?",
        "Fine with me.",
    )
    return [
        (people[0 if n == 0 else chance.randrange(len(people))].number, phrases[n % len(phrases)].format(about=about))
        for n in range(count)
    ]
