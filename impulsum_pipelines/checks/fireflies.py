"""The checks that know Fireflies: is every meeting held, whole, and does what hangs on it fit."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, instant, table_of
from impulsum_pipelines.sources.base.table import ALIVE
from impulsum_pipelines.sources.fireflies.documents import UNFINISHED

#: Longer than a summary takes. After that it is stuck, or the day's quota is too small.
_PATIENCE = timedelta(days=2)


def _completeness(raw: Raw) -> Finding:
    """Against the account's own numbers: they count meetings that its key does not see, so more of them only warns."""
    counts = raw.rows(
        "select at_source, approximate, taken_at from raw.census where entity = 'transcripts' "
        "order by taken_at desc limit 1"
    )
    if not counts:
        return Finding(True, "There was no census yet.")
    [count] = counts
    [found] = raw.rows(
        f"select count(*) as held from raw.transcripts where {ALIVE} and started_at <= ?", [count["taken_at"]]
    )
    numbers = {
        "listed by the newest census": count["at_source"],
        "counted by the account": count["approximate"],
        "held of that time": found["held"],
        "census taken": instant(count["taken_at"]),
    }
    fewer, serious = count["at_source"] - found["held"], agreement(count["at_source"], found["held"])[1]
    if fewer > 0 and serious:
        text = f"{fewer} meetings that the newest census listed are not held."
        return Finding(False, text, numbers=numbers)
    unseen = (count["approximate"] or 0) - count["at_source"]
    if unseen > 0 and agreement(count["approximate"], count["at_source"])[1]:
        text = (
            f"The account counts {unseen} meetings more than its key is shown: they are not shared with the key's "
            "owner, or the list of meetings is cut."
        )
        return Finding(False, text, serious=False, numbers=numbers)
    return Finding(True, f"{found['held']} meetings are held of {count['at_source']} listed.", numbers=numbers)


def _whole(raw: Raw) -> Finding:
    waiting = raw.rows(
        f"select id, title, started_at, summary_status, is_live, "
        f"case when is_live or summary_status = '{UNFINISHED}' then 'not finished at Fireflies' "
        f"else 'not read yet' end as why from raw.transcripts "
        f"where not is_whole and {ALIVE} and (started_at is null or started_at < ?) order by started_at",
        [raw.now - _PATIENCE],
    )
    if not waiting:
        return Finding(True, "Every meeting is held whole.")
    unread = sum(row["why"] == "not read yet" for row in waiting)
    text = (
        f"{len(waiting)} meetings older than {_PATIENCE.days} days have no sentences: {unread} were not read yet (the "
        f"day's quota, or an answer that failed), {len(waiting) - unread} are not finished at Fireflies."
    )
    numbers = {"not read": unread, "not finished": len(waiting) - unread, "meetings": table_of(waiting)}
    return Finding(False, text, serious=False, numbers=numbers)


def _sentence_totals(raw: Raw) -> Finding:
    """Sentences are numbered from 0 without a gap, and there are as many as the meeting had."""
    differing = raw.rows(
        f"""
        with held as (
            select transcript_id, count(*) as held, max(index) + 1 as numbered
            from raw.sentences where {ALIVE} group by transcript_id
        )
        select transcripts.id, title, sentence_total as at_source, coalesce(held.held, 0) as held, held.numbered
        from raw.transcripts
        left join held on held.transcript_id = transcripts.id
        where {ALIVE} and is_whole and (
            sentence_total is distinct from coalesce(held.held, 0) or held.numbered is distinct from
            case when sentence_total > 0 then sentence_total end
        )
        order by transcripts.id
        """
    )
    if not differing:
        return Finding(True, "Every meeting has the sentences that it had when it was read.")
    missing = sum(max((row["at_source"] or 0) - row["held"], 0) for row in differing)
    text = f"{len(differing)} meetings have other sentences than they were read with; {missing} are missing."
    return Finding(False, text, numbers={"meetings": table_of(differing), "sentences missing": missing})


def _unfinished_apart(raw: Raw) -> Finding:
    found = raw.rows(
        "select transcripts.id, title, count(*) as sentences from raw.sentences "
        "join raw.transcripts on transcripts.id = sentences.transcript_id "
        "where not transcripts.is_whole and transcripts.deleted_at is null and transcripts.unreachable_since is null "
        "and sentences.deleted_at is null and sentences.unreachable_since is null group by all order by 1"
    )
    if not found:
        return Finding(True, "No sentence is of a meeting that is not finished.")
    text = f"{len(found)} meetings that are not finished have sentences: captions, or half a transcript."
    return Finding(False, text, numbers={"meetings": table_of(found)})


def _no_orphans(raw: Raw, *, table: str) -> Finding:
    orphans = raw.rows(
        f"select id, transcript_id from raw.{table} where {ALIVE} and coalesce(transcript_id, '') not in "
        f"(select id from raw.transcripts where {ALIVE}) order by id"
    )
    if not orphans:
        return Finding(True, f"All {table} belong to meetings that are held.")
    text = f"{len(orphans)} {table} belong to no meeting that is held."
    return Finding(False, text, numbers={"orphans": len(orphans), "first": table_of(orphans)})


CHECKS = (
    Check(
        "completeness",
        "transcripts",
        "Every meeting that the newest census listed is held. Warns when the account counts more meetings than its "
        "key is shown.",
        _completeness,
    ),
    Check(
        "whole",
        "transcripts",
        "Every meeting older than two days was read whole. Warns when the day's quota does not reach, when a summary "
        "is stuck at Fireflies, or when a meeting cannot be answered whole.",
        _whole,
    ),
    Check(
        "sentence_totals",
        "sentences",
        "Each meeting has as many sentences as when it was read, numbered without a gap.",
        _sentence_totals,
    ),
    Check(
        "unfinished_apart",
        "sentences",
        "No sentence is of a meeting that goes on or is processed: what is said of it still changes.",
        _unfinished_apart,
    ),
    *(
        Check("no_orphans", table, f"All {table} belong to meetings that are held.", partial(_no_orphans, table=table))
        for table in ("sentences", "attendees", "action_items")
    ),
)
