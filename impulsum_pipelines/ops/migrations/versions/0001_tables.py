"""The tables of the ops store: events, incidents, alerts, notifications, syncs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from impulsum_pipelines.ops.schema import Instant

revision = "0001"
down_revision = None


#: The id type of :mod:`impulsum_pipelines.ops.schema`.
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Upgrade to this revision."""
    op.create_table(
        "alerts",
        sa.Column("id", _Id, nullable=False),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_state"), "alerts", ["state"])
    op.create_index(
        "uq_alerts_key_unresolved",
        "alerts",
        ["key"],
        unique=True,
        sqlite_where=sa.text("state <> 'resolved'"),
        postgresql_where=sa.text("state <> 'resolved'"),
    )

    op.create_table(
        "incidents",
        sa.Column("id", _Id, nullable=False),
        sa.Column("priority", sa.Text, nullable=False, comment="The most urgent of its events."),
        sa.Column("title", sa.Text, nullable=False, comment="Of the event that it began with."),
        sa.Column("first_at", Instant, nullable=False, comment="Its earliest event, by the event's own time."),
        sa.Column("last_at", Instant, nullable=False, comment="Its latest event, by the event's own time."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_table(
        "syncs",
        sa.Column("sync_id", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("started_by", sa.Text, nullable=False, comment="schedule, sensor, backfill, shell or manual."),
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
        sa.PrimaryKeyConstraint("sync_id", name=op.f("pk_syncs")),
    )
    op.create_index(op.f("ix_syncs_source_started_at"), "syncs", ["source", "started_at"])

    op.create_table(
        "alert_changes",
        sa.Column("id", _Id, nullable=False),
        sa.Column("alert_id", _Id, nullable=False),
        sa.Column("at", Instant, nullable=False),
        sa.Column(
            "change",
            sa.Text,
            nullable=False,
            comment="opened, worsened, reopened, escalated, resolved, acknowledged, or told: delivered, and where.",
        ),
        sa.Column("by", sa.Text, nullable=False, comment="The person or the part of the pipeline."),
        sa.Column("note", sa.Text),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_alert_changes_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_changes")),
    )
    op.create_index(op.f("ix_alert_changes_alert_id"), "alert_changes", ["alert_id"])

    op.create_table(
        "events",
        sa.Column("id", _Id, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
        sa.Column(
            "key", sa.Text, nullable=False, comment="The vendor's delivery id; a hash of the content without one."
        ),
        sa.Column("type", sa.Text, nullable=False, comment="The vendor's name of what happened."),
        sa.Column(
            "occurred_at", Instant, nullable=False, comment="When, as the event says; else when it was received."
        ),
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
        sa.Column("duplicate_of", _Id, comment="The event that this one repeats."),
        sa.Column("incident_id", _Id, comment="What it is part of."),
        sa.Column("seen_by", sa.Text, comment="The sync that saw its subject changed."),
        sa.Column("file", sa.Text, nullable=False, comment="Name of the drop file."),
        sa.Column("headers", sa.JSON, nullable=False, comment="Headers that are no secret."),
        sa.Column("body", sa.Text, nullable=False, comment="The body as it was received."),
        sa.ForeignKeyConstraint(["duplicate_of"], ["events.id"], name=op.f("fk_events_duplicate_of")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_events_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_events")),
        sa.UniqueConstraint("source", "key", name=op.f("uq_events_source_key")),
    )
    op.create_index(op.f("ix_events_content"), "events", ["content"])
    op.create_index(op.f("ix_events_duplicate_of"), "events", ["duplicate_of"])
    op.create_index(op.f("ix_events_incident_id"), "events", ["incident_id"])
    op.create_index(op.f("ix_events_received_at"), "events", ["received_at"])

    op.create_table(
        "incident_subjects",
        sa.Column("incident_id", _Id, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["incidents.id"], name=op.f("fk_incident_subjects_incident_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("incident_id", "subject", name=op.f("pk_incident_subjects")),
    )
    op.create_index(op.f("ix_incident_subjects_subject"), "incident_subjects", ["subject"])

    op.create_table(
        "notifications",
        sa.Column("id", _Id, nullable=False),
        sa.Column("alert_id", _Id, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, comment="The alert's version that it tells."),
        sa.Column("what", sa.Text, nullable=False, comment="opened, worsened, reopened, escalated, resolved."),
        sa.Column("message_id", sa.Text, nullable=False, comment="The message that tells it; a digest tells several."),
        sa.Column("due_at", Instant, nullable=False, comment="Not before: quiet hours, the digest, the settling time."),
        sa.Column("digest", sa.Boolean, nullable=False, comment="True when it waits, to be sent together with others."),
        sa.Column("status", sa.Text, nullable=False, comment="pending, addressed or superseded."),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["alerts.id"], name=op.f("fk_notifications_alert_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notifications")),
        sa.UniqueConstraint("alert_id", "version", "what", name=op.f("uq_notifications_alert_id_version_what")),
    )
    op.create_index(op.f("ix_notifications_message_id"), "notifications", ["message_id"])
    op.create_index(op.f("ix_notifications_status_due_at"), "notifications", ["status", "due_at"])

    op.create_table(
        "deliveries",
        sa.Column("id", _Id, nullable=False),
        sa.Column(
            "message_id",
            sa.Text,
            nullable=False,
            comment="Id of the message; the same for every try and every channel.",
        ),
        sa.Column(
            "channel", sa.Text, nullable=False, comment="Name of the channel: scheme and host, never its secrets."
        ),
        sa.Column("status", sa.Text, nullable=False, comment="pending, sending, sent, superseded or failed."),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("addressed_at", Instant, nullable=False),
        sa.Column("due_at", Instant, nullable=False, comment="Not before: the next try."),
        sa.Column("claimed_until", Instant, comment="Until when the process that sends it is believed alive."),
        sa.Column("sent_at", Instant),
        sa.Column("error", sa.Text, comment="Why the last try failed, sanitized."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", "channel", name=op.f("uq_deliveries_message_id_channel")),
    )
    op.create_index(op.f("ix_deliveries_status_due_at"), "deliveries", ["status", "due_at"])

    op.create_table(
        "sync_scopes",
        sa.Column("sync_id", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False, comment="Id at the source."),
        sa.Column("name", sa.Text, comment="As people call it."),
        sa.Column("rows", sa.JSON, nullable=False, comment="By table: rows that were written."),
        sa.ForeignKeyConstraint(
            ["sync_id"], ["syncs.sync_id"], name=op.f("fk_sync_scopes_sync_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sync_id", "scope", name=op.f("pk_sync_scopes")),
    )
