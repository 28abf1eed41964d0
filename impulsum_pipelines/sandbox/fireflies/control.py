"""Fireflies' verbs at the control door: what people and the vendor do to meetings."""

from __future__ import annotations

from collections import Counter
from typing import Any

from impulsum_pipelines.sandbox.fireflies import history
from impulsum_pipelines.sandbox.fireflies.limits import PER_DAY, PER_MINUTE, FirefliesLimits
from impulsum_pipelines.sandbox.fireflies.meetings import Meeting, Meetings

Answer = dict[str, Any]
_MINUTE = 60_000
_DAY = 24 * 60 * _MINUTE
_PRIVACIES = ("link", "owner", "participants", "teammatesandparticipants", "teammates")
_WRITTEN = ("epoch_ms", "iso", "seconds", "none")


class FirefliesControl:
    """The verbs at ``/_sandbox/fireflies/<verb>``. Meetings are named by id."""

    def __init__(self, meetings: Meetings, limits: FirefliesLimits) -> None:
        self._meetings = meetings
        self._limits = limits
        self.revoked = False
        self.admin = True
        self.exclusive_dates = False
        self.retry_after = "epoch_ms"
        self._broken: Counter[tuple[str, str]] = Counter()
        self._disturbances: list[str] = []
        #: How often the sentences of a meeting were asked for.
        self._reads: Counter[str] = Counter()

    def _one(self, meeting: str) -> Meeting:
        try:
            found = self._meetings.all[meeting]
        except KeyError:
            raise LookupError(f"there is no meeting {meeting}") from None
        self._meetings.team.clock.tick()  # no two edits happen in the same millisecond
        return found

    def _breaks(self, meeting: str, field: str) -> bool:
        if not self._broken[meeting, field]:
            return False
        self._broken[meeting, field] -= 1
        return True

    def _between_pages(self) -> None:
        """Make the next change that :meth:`disturb` ordered, if any."""
        if not self._disturbances:
            return
        if self._disturbances.pop(0) == "insert":
            self.hold_meeting(title="Held while somebody was paging")
        else:
            self.delete(self._meetings.visible()[0].id)

    # -- reading

    def truth(self) -> Answer:
        """Every row that the source must have stored now, by raw table and id."""
        return self._meetings.truth()

    def meetings(self) -> Answer:
        """Every meeting that exists, newest first: id, title, start (epoch ms), status."""
        newest = sorted(self._meetings.all.values(), key=lambda m: (-m.date, m.id))
        return {
            "meetings": [
                {"id": m.id, "title": m.title, "date": m.date, "status": m.status, "live": m.live, "hidden": m.hidden}
                for m in newest
            ]
        }

    def limits(self) -> Answer:
        """How many requests the limits refused."""
        return {"refused": self._limits.refused}

    def reads(self, reset: bool = False) -> Answer:
        """How often the sentences of each meeting were asked for, by the meeting's id."""
        counted = dict(self._reads)
        if reset:
            self._reads.clear()
        return counted

    # -- meetings

    def hold_meeting(
        self,
        title: str = "A new meeting",
        live: bool = False,
        status: str = "processed",
        minutes: float = 30.0,
        minutes_ago: float = 0.0,
        count: int = 1,
        about: str = "the plan",
    ) -> Answer:
        """Hold meetings that have ended or, with ``live``, are going on; ``status`` is that of their summaries."""
        ids = []
        for _ in range(count):
            date = self._meetings.team.clock.tick() - round((minutes_ago + (0 if live else minutes)) * _MINUTE)
            organizer = self._meetings.chance.choice(self._meetings.team.people)
            meeting = history.hold(
                self._meetings, title=title, date=date, minutes=minutes, organizer=organizer, about=about
            )
            meeting.live = live
            meeting.status = "processing" if live else status
            ids.append(meeting.id)
        return {"id": ids[-1], "ids": ids}

    def upload_old(self, days_ago: float, title: str = "An old recording", status: str = "processed") -> Answer:
        """Upload a recording with an old date."""
        return self.hold_meeting(title=title, minutes_ago=days_ago * 24 * 60, status=status)

    def end_meeting(self, meeting: str) -> Answer:
        """End a live meeting; its summary is then being made."""
        found = self._one(meeting)
        found.live, found.status = False, "processing"
        return {}

    def finish_processing(self, meeting: str) -> Answer:
        """Finish a summary; a live meeting ends first."""
        found = self._one(meeting)
        found.live, found.status = False, "processed"
        return {}

    def fail_processing(self, meeting: str) -> Answer:
        """Fail to make a summary; the sentences stay."""
        found = self._one(meeting)
        found.live, found.status = False, "failed"
        return {}

    def retitle(self, meeting: str, title: str) -> Answer:
        """Change a title."""
        self._one(meeting).title = title
        return {}

    def rename_speaker(self, meeting: str, name: str) -> Answer:
        """Change the name of the first speaker."""
        found = self._one(meeting)
        found.names[found.lines[0][0]] = name
        return {}

    def set_privacy(self, meeting: str, privacy: str) -> Answer:
        """Change who may see a meeting; the key's owner still sees it."""
        if privacy not in _PRIVACIES:
            raise ValueError(f"there is no privacy {privacy}")
        self._one(meeting).privacy = privacy
        return {}

    def share(self, meeting: str, email: str = "guest@example.com") -> Answer:
        """Share a meeting, also with the key's owner if it was hidden from that person."""
        found = self._one(meeting)
        found.shared.append(email)
        found.hidden = False
        return {}

    def unshare(self, meeting: str) -> Answer:
        """Hide a meeting from the key's owner."""
        self._one(meeting).hidden = True
        return {}

    def delete(self, meeting: str) -> Answer:
        """Delete a meeting; nothing shows afterwards that it existed."""
        self._one(meeting)
        del self._meetings.all[meeting]
        return {}

    # -- the account

    def revoke_key(self, revoked: bool = True) -> Answer:
        """Revoke the key, or make it valid again."""
        self.revoked = revoked
        return {}

    def set_admin(self, admin: bool = True) -> Answer:
        """Make the key's owner an administrator, or not."""
        self.admin = admin
        return {}

    def set_quota(
        self, per_day: int = PER_DAY, per_minute: int = PER_MINUTE, retry_after: str = "epoch_ms", forget: bool = False
    ) -> Answer:
        """Set the limits and the form of retryAfter; ``forget`` drops the requests counted so far."""
        if retry_after not in _WRITTEN:
            raise ValueError(f"retryAfter is one of {', '.join(_WRITTEN)}")
        self._limits.per_day, self._limits.per_minute, self.retry_after = per_day, per_minute, retry_after
        if forget:
            self._limits.forget()
        return {}

    # -- faults

    def fail_field(self, meeting: str, field: str, count: int = 1) -> Answer:
        """Let a field of one meeting fail in the next answers; the rest of the answer is complete."""
        self._one(meeting)
        self._broken[meeting, field] = count
        return {}

    def disturb(self, what: str = "insert", count: int = 1) -> Answer:
        """Hold (insert) or delete (delete) a meeting at each of the next requests for a further page."""
        if what not in ("insert", "delete"):
            raise ValueError(f"there is no disturbance {what}")
        self._disturbances += [what] * count
        return {}

    def date_bounds(self, exclusive: bool) -> Answer:
        """Let fromDate and toDate exclude, or include, a meeting exactly at them."""
        self.exclusive_dates = exclusive
        return {}
