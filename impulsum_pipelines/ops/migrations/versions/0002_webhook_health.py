"""Webhook health: changes that pulls saw, missed ranges, and the state of each source."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from impulsum_pipelines.ops.schema import Instant

revision = "0002"
down_revision = "0001"

#: The id type of :mod:`impulsum_pipelines.ops.schema`.
_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Upgrade to this revision."""
    if op.get_bind().dialect.name == "postgresql":  # SQLite has no comments
        seen_by = "The sync that saw its subject changed; none where no pull has to show it."
        op.alter_column("events", "seen_by", comment=seen_by)
        op.alter_column("syncs", "started_by", comment="schedule, sensor, catch-up, backfill, shell or manual.")
    op.create_index(op.f("ix_events_source_occurred_at"), "events", ["source", "occurred_at"])
    op.create_index(
        "ix_events_unseen",
        "events",
        ["source", "occurred_at"],
        sqlite_where=sa.text("seen_by is null"),
        postgresql_where=sa.text("seen_by is null"),
    )

    op.create_table(
        "pulled_changes",
        sa.Column("id", _Id, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
        sa.Column("subject", sa.Text, nullable=False, comment="What changed, as events name it: issue-id:10001, …"),
        sa.Column("name", sa.Text, nullable=False, comment="What changed, as people name it."),
        sa.Column(
            "part", sa.Text, nullable=False, comment="Kind of the subject, and its project, repository or channel."
        ),
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
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pulled_changes")),
        sa.UniqueConstraint(
            "source", "subject", "changed_at", name=op.f("uq_pulled_changes_source_subject_changed_at")
        ),
    )
    op.create_index(
        op.f("ix_pulled_changes_source_outcome_changed_at_part"),
        "pulled_changes",
        ["source", "outcome", "changed_at", "part"],
    )

    op.create_table(
        "missed_ranges",
        sa.Column("id", _Id, nullable=False),
        sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
        sa.Column(
            "what",
            sa.Text,
            nullable=False,
            comment="deliveries: changes that no webhook reported; pulls: events that no pull has shown, of one day "
            "(UTC).",
        ),
        sa.Column("from_at", Instant, nullable=False, comment="Time of the first one, by the clock of the source."),
        sa.Column("to_at", Instant, nullable=False, comment="Time of the last one, by the clock of the source."),
        sa.Column("changes", sa.Integer, nullable=False, comment="How many changes or events are missed."),
        sa.Column("found_at", Instant, nullable=False, comment="When it was found, by our clock."),
        sa.Column("status", sa.Text, nullable=False, comment="open, backfilled, or came late."),
        sa.Column("covered_by", sa.Text, comment="The sync that read what was missed."),
        sa.Column("covered_at", Instant, comment="When that was found, by our clock."),
        sa.Column("note", sa.Text, comment="How it was covered, in words."),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_missed_ranges")),
    )
    op.create_index(op.f("ix_missed_ranges_source_status"), "missed_ranges", ["source", "status"])

    op.create_table(
        "webhook_health",
        sa.Column("source", sa.Text, nullable=False, comment="Name of the source."),
        sa.Column(
            "mode", sa.Text, nullable=False, comment="webhooks; or polling: they are silent, it is pulled faster."
        ),
        sa.Column("since", Instant, nullable=False, comment="From when on, by the source."),
        sa.Column("watched_since", Instant, nullable=False, comment="From when on changes are counted, by the source."),
        sa.Column("rows_until", Instant, comment="Rows that were read until then, by the source, are looked at."),
        sa.Column("events_until", _Id, nullable=False, comment="Events up to this one are looked at."),
        sa.Column("looked_after", sa.Text, comment="The sync after which it was looked at last."),
        sa.Column("looked_at", Instant, nullable=False, comment="When that was, by our clock."),
        sa.Column(
            "unseen",
            sa.JSON,
            nullable=False,
            comment="Events that a pull should have shown by now, the oldest first.",
        ),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_webhook_health")),
    )
