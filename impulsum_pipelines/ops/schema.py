"""The tables of the ops store, the same on SQLite and on PostgreSQL.

Times are UTC with the zone in the type. Documents are JSON. No column contains a secret: headers and messages are
sanitized before they are stored. A changed column comment needs a revision, like every change of a column.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect


class Instant(sa.TypeDecorator[datetime]):
    """A point in time, UTC. SQLite has no such type: there it is text of fixed width, which sorts by time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.String(32) if dialect.name == "sqlite" else sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.isoformat(timespec="microseconds") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite generates ids only in a column of exactly this type.
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _id() -> sa.Column[int]:
    return sa.Column("id", _Id, primary_key=True, autoincrement=True)


#: Priorities that somebody must act on.
URGENT = ("P0", "P1")

#: SQL condition for urgent ``events``. SQLite uses the index only for exactly this text.
IS_URGENT = f"priority in {URGENT}"

#: One row per webhook delivery; a repeated delivery adds none.
events = sa.Table(
    "events",
    metadata,
    _id(),
    sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
    sa.Column("key", sa.Text, nullable=False, comment="The vendor's delivery id; a hash of the content without one."),
    sa.Column("type", sa.Text, nullable=False, comment="The vendor's name of what happened."),
    sa.Column("occurred_at", Instant, nullable=False, comment="When, as the event says; else when it was received."),
    sa.Column("received_at", Instant, nullable=False, comment="When the producer had it."),
    sa.Column("committed_at", Instant, nullable=False, comment="When it was written here."),
    sa.Column("signature", sa.Text, nullable=False, comment="valid, or unsigned where no secret is configured."),
    sa.Column("subjects", sa.JSON, nullable=False, comment="What it is about, the nearest first: issue:ABC-1, …"),
    sa.Column("title", sa.Text, comment="What it says, in one line."),
    sa.Column("url", sa.Text, comment="Where people look at it."),
    sa.Column("actor", sa.Text, comment="Who did it."),
    sa.Column("priority", sa.Text, nullable=False, comment="P0, P1, P2, P3 or noise."),
    sa.Column("rule", sa.Text, comment="The triage rule that said so."),
    sa.Column("content", sa.Text, comment="Hash of what it says, the same when it is said again."),
    sa.Column("duplicate_of", _Id, sa.ForeignKey("events.id"), comment="The event that this one repeats."),
    sa.Column("incident_id", _Id, sa.ForeignKey("incidents.id"), comment="What it is part of."),
    sa.Column("seen_by", sa.Text, comment="The sync that saw its subject changed; none where no pull has to show it."),
    sa.Column("file", sa.Text, nullable=False, comment="Name of the drop file."),
    sa.Column("headers", sa.JSON, nullable=False, comment="Headers that are no secret."),
    sa.Column("body", sa.Text, nullable=False, comment="The JSON as it was received; secrets in it are struck out."),
    sa.UniqueConstraint("source", "key"),
    sa.Index(None, "source", "occurred_at"),
    sa.Index(
        "ix_events_unseen",
        "source",
        "occurred_at",
        sqlite_where=sa.text("seen_by is null"),
        postgresql_where=sa.text("seen_by is null"),
    ),
    sa.Index("ix_events_urgent", "committed_at", sqlite_where=sa.text(IS_URGENT), postgresql_where=sa.text(IS_URGENT)),
    sa.Index(None, "received_at"),
    sa.Index(None, "content"),
    sa.Index(None, "incident_id"),
    sa.Index(None, "duplicate_of"),
)

#: One row per incident: events that belong together, such as those about an issue, its pull request and its thread.
incidents = sa.Table(
    "incidents",
    metadata,
    _id(),
    sa.Column("priority", sa.Text, nullable=False, comment="The most urgent of its events."),
    sa.Column("title", sa.Text, nullable=False, comment="Of the event that it began with."),
    sa.Column("first_at", Instant, nullable=False, comment="Its earliest event, by the event's own time."),
    sa.Column("last_at", Instant, nullable=False, comment="Its latest event, by the event's own time."),
)

#: One row per incident and subject.
incident_subjects = sa.Table(
    "incident_subjects",
    metadata,
    sa.Column("incident_id", _Id, sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Index(None, "subject"),
)

#: One row per alert, from when it is opened to when it is resolved.
alerts = sa.Table(
    "alerts",
    metadata,
    _id(),
    sa.Column("key", sa.Text, nullable=False, comment="What it is about: at most one that is not resolved."),
    sa.Column("kind", sa.Text, nullable=False, comment="What raised it: event, risk, freshness, webhooks, run."),
    sa.Column("priority", sa.Text, nullable=False, comment="P0, P1, P2 or P3."),
    sa.Column("title", sa.Text, nullable=False, comment="What is wrong, in one line."),
    sa.Column("detail", sa.Text, nullable=False, comment="What is known, and what to do next."),
    sa.Column("state", sa.Text, nullable=False, comment="open, notified, acknowledged or resolved."),
    sa.Column(
        "version",
        sa.Integer,
        nullable=False,
        comment="Number of changes that people must hear of: worse, back again, resolved.",
    ),
    sa.Column("occurrences", sa.Integer, nullable=False, comment="How often it was raised."),
    sa.Column("evidence", sa.JSON, nullable=False, comment="Event ids and links."),
    sa.Column("opened_at", Instant, nullable=False),
    sa.Column("last_seen_at", Instant, nullable=False, comment="When it was last raised."),
    sa.Column("notified_at", Instant),
    sa.Column("escalated_at", Instant),
    sa.Column("acknowledged_at", Instant),
    sa.Column("acknowledged_by", sa.Text),
    sa.Column("resolved_at", Instant),
    sa.Index(None, "state"),
    sa.Index(
        "uq_alerts_key_unresolved",
        "key",
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    ),
)

#: One row per change of an alert.
alert_changes = sa.Table(
    "alert_changes",
    metadata,
    _id(),
    sa.Column("alert_id", _Id, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("at", Instant, nullable=False),
    sa.Column(
        "change",
        sa.Text,
        nullable=False,
        comment="opened, worsened, reopened, escalated, resolved, acknowledged, or told: delivered, and where.",
    ),
    sa.Column("by", sa.Text, nullable=False, comment="The person or the part of the pipeline."),
    sa.Column("note", sa.Text),
    sa.Index(None, "alert_id"),
)

#: The outbox: one row per notification of an alert, written in the transaction that makes it necessary.
notifications = sa.Table(
    "notifications",
    metadata,
    _id(),
    sa.Column("alert_id", _Id, sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    sa.Column("version", sa.Integer, nullable=False, comment="The alert's version that it tells."),
    sa.Column("what", sa.Text, nullable=False, comment="opened, worsened, reopened, escalated, resolved."),
    sa.Column("message_id", sa.Text, nullable=False, comment="The message that tells it; a digest tells several."),
    sa.Column("due_at", Instant, nullable=False, comment="Not before: quiet hours, the digest, the settling time."),
    sa.Column("digest", sa.Boolean, nullable=False, comment="True when it waits, to be sent together with others."),
    sa.Column("status", sa.Text, nullable=False, comment="pending, addressed or superseded."),
    sa.UniqueConstraint("alert_id", "version", "what"),
    sa.Index(None, "message_id"),
    sa.Index(None, "status", "due_at"),
)

#: One row per message and channel, so that a channel that fails is retried alone.
deliveries = sa.Table(
    "deliveries",
    metadata,
    _id(),
    sa.Column(
        "message_id", sa.Text, nullable=False, comment="Id of the message; the same for every try and every channel."
    ),
    sa.Column("channel", sa.Text, nullable=False, comment="Name of the channel: scheme and host, never its secrets."),
    sa.Column("status", sa.Text, nullable=False, comment="pending, sending, sent, superseded or failed."),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("addressed_at", Instant, nullable=False),
    sa.Column("due_at", Instant, nullable=False, comment="Not before: the next try."),
    sa.Column("claimed_until", Instant, comment="Until when the process that sends it is believed alive."),
    sa.Column("sent_at", Instant),
    sa.Column("error", sa.Text, comment="Why the last try failed, sanitized."),
    sa.UniqueConstraint("message_id", "channel"),
    sa.Index(None, "status", "due_at"),
)

#: One row per sync, written at its start.
syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("sync_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("started_by", sa.Text, nullable=False, comment="schedule, sensor, catch-up, backfill, shell or manual."),
    sa.Column("run_id", sa.Text, comment="The Dagster run."),
    sa.Column("mode", sa.Text, nullable=False, comment="live or window."),
    sa.Column("census", sa.Boolean, nullable=False),
    sa.Column("window_start", Instant),
    sa.Column("window_end", Instant, comment="Exclusive."),
    sa.Column("started_at", Instant, nullable=False),
    sa.Column("finished_at", Instant),
    sa.Column("status", sa.Text, nullable=False, comment="running, done, incomplete, failed, or cut off."),
    sa.Column("error_category", sa.Text),
    sa.Column("error", sa.Text, comment="Sanitized."),
    sa.Column("requests", sa.Integer),
    sa.Column("limit_waits", sa.Integer),
    sa.Column("limit_wait_seconds", sa.Float),
    sa.Column("extract_seconds", sa.Float),
    sa.Column("normalize_seconds", sa.Float),
    sa.Column("load_seconds", sa.Float),
    sa.Column("rows", sa.JSON, comment="By table: new, changed, unchanged, deleted, unreachable."),
    sa.Index(None, "source", "started_at"),
)

#: One row per sync and scope: a project, repository, channel, data source or team.
sync_scopes = sa.Table(
    "sync_scopes",
    metadata,
    sa.Column("sync_id", sa.Text, sa.ForeignKey("syncs.sync_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("scope", sa.Text, primary_key=True, comment="Id at the source."),
    sa.Column("name", sa.Text, comment="As people call it."),
    sa.Column("rows", sa.JSON, nullable=False, comment="By table: rows that were written."),
)

#: One row per change that a pull saw, of a kind that webhooks report too.
pulled_changes = sa.Table(
    "pulled_changes",
    metadata,
    _id(),
    sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
    sa.Column("subject", sa.Text, nullable=False, comment="What changed, as events name it: issue-id:10001, …"),
    sa.Column("name", sa.Text, nullable=False, comment="What changed, as people name it."),
    sa.Column("part", sa.Text, nullable=False, comment="Kind of the subject, and its project, repository or channel."),
    sa.Column("changed_at", Instant, nullable=False, comment="When, by the source."),
    sa.Column("day", sa.Date, nullable=False, comment="The same, as a day (UTC)."),
    sa.Column("sync_id", sa.Text, nullable=False, comment="The sync that saw it."),
    sa.Column(
        "outcome",
        sa.Text,
        nullable=False,
        comment='waiting, "told" (a webhook reported it), missed, or unwatched (no webhook reports its scope).',
    ),
    sa.Column("told_by", _Id, comment="The event that reported it, which may be deleted earlier."),
    sa.UniqueConstraint("source", "subject", "changed_at"),
    sa.Index(None, "source", "outcome", "changed_at", "part"),
)

#: One row per time range in which webhooks and pulls do not agree.
missed_ranges = sa.Table(
    "missed_ranges",
    metadata,
    _id(),
    sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
    sa.Column(
        "what",
        sa.Text,
        nullable=False,
        comment="deliveries: changes that no webhook reported; pulls: events that no pull has shown, of one day (UTC).",
    ),
    sa.Column("from_at", Instant, nullable=False, comment="Time of the first one, by the clock of the source."),
    sa.Column("to_at", Instant, nullable=False, comment="Time of the last one, by the clock of the source."),
    sa.Column("changes", sa.Integer, nullable=False, comment="How many changes or events are missed."),
    sa.Column("found_at", Instant, nullable=False, comment="When it was found, by our clock."),
    sa.Column("status", sa.Text, nullable=False, comment="open, backfilled, or came late."),
    sa.Column("covered_by", sa.Text, comment="The sync that read what was missed."),
    sa.Column("covered_at", Instant, comment="When that was found, by our clock."),
    sa.Column("note", sa.Text, comment="How it was covered, in words."),
    sa.Index(None, "source", "status"),
)

#: One row per source with webhooks: their present state.
webhook_health = sa.Table(
    "webhook_health",
    metadata,
    sa.Column("source", sa.Text, primary_key=True, comment="Name of the source."),
    sa.Column("mode", sa.Text, nullable=False, comment="webhooks; or polling: they are silent, it is pulled faster."),
    sa.Column("since", Instant, nullable=False, comment="From when on, by the source."),
    sa.Column("watched_since", Instant, nullable=False, comment="From when on changes are counted, by the source."),
    sa.Column("rows_until", Instant, comment="Rows that were read until then, by the source, are looked at."),
    sa.Column("events_until", _Id, nullable=False, comment="Events up to this one are looked at."),
    sa.Column("looked_after", sa.Text, comment="The sync after which it was looked at last."),
    sa.Column("looked_at", Instant, nullable=False, comment="When that was, by our clock."),
    sa.Column(
        "unseen", sa.JSON, nullable=False, comment="Events that a pull should have shown by now, the oldest first."
    ),
)
