"""The checks that only Fireflies needs: is every meeting stored and complete, and does it fit together."""

from __future__ import annotations

from datetime import timedelta

from impulsum_pipelines.checks.builder import no_orphans, no_rows
from impulsum_pipelines.checks.findings import Agreement, Check, Finding, Raw, table_of, timestamp
from impulsum_pipelines.sources.base.table import ALIVE, alive
from impulsum_pipelines.sources.fireflies.queries import UNFINISHED

#: Longer than a summary takes. A meeting that waits longer is stuck, or the day's quota is too small.
_PATIENCE = timedelta(days=2)


def _completeness(raw: Raw) -> Finding:
    """The newest census, what is stored of that time, and the account's own count.

    The account counts meetings that its key does not see, so a higher count only warns.
    """
    counts = raw.rows(
        "select at_source, approximate, taken_at from raw.census where entity = 'transcripts' "
        "order by taken_at desc limit 1"
    )
    if not counts:
        return Finding(True, "There was no census yet.")
    [count] = counts
    [found] = raw.rows(
        f"select count(*) as stored from raw.transcripts where {ALIVE} and started_at <= ?", [count["taken_at"]]
    )
    numbers = {
        "listed by the newest census": count["at_source"],
        "counted by the account": count["approximate"],
        "stored of that time": found["stored"],
        "census taken": timestamp(count["taken_at"]),
    }
    missing = count["at_source"] - found["stored"]
    if missing > 0 and Agreement.of(count["at_source"], found["stored"]).is_serious:
        text = (
            f"{missing} of {count['at_source']} meetings that the newest census listed are not stored. "
            "Run `impulsum sync fireflies --census`."
        )
        return Finding(False, text, numbers=numbers)
    unseen = (count["approximate"] or 0) - count["at_source"]
    if unseen > 0 and Agreement.of(count["approximate"], count["at_source"]).is_serious:
        text = (
            f"The account counts {unseen} more meetings than its key sees: they are not shared with the key's owner, "
            "or Fireflies cuts the list. Use the key of an administrator to read them."
        )
        return Finding(False, text, serious=False, numbers=numbers)
    text = f"The newest census listed {count['at_source']} meetings; {found['stored']} of that time are stored."
    return Finding(True, text, numbers=numbers)


def _meetings_are_whole(raw: Raw) -> Finding:
    waiting = raw.rows(
        f"select id, title, started_at, summary_status, is_live, "
        f"case when is_live or summary_status = '{UNFINISHED}' then 'not finished at Fireflies' "
        f"else 'not read yet' end as why from raw.transcripts "
        f"where not is_whole and {ALIVE} and (started_at is null or started_at < ?) order by started_at",
        [raw.now - _PATIENCE],
    )
    if not waiting:
        return Finding(True, "Every finished meeting is stored with its sentences.")
    unread = sum(row["why"] == "not read yet" for row in waiting)
    text = (
        f"{len(waiting)} meetings older than {_PATIENCE.days} days have no sentences: {unread} were not read yet (the "
        f"day's quota was used up, or an answer failed), {len(waiting) - unread} are not finished at Fireflies. The "
        "next pulls read on; if the quota is too small, raise FIREFLIES_REQUESTS_A_DAY with the plan."
    )
    numbers = {"not read": unread, "not finished": len(waiting) - unread, "meetings": table_of(waiting)}
    return Finding(False, text, serious=False, numbers=numbers)


def _sentence_totals(raw: Raw) -> Finding:
    """Sentences are numbered from 0 without a gap, and there are as many as the meeting had when it was read."""
    differing = raw.rows(
        f"""
        with counted as (
            select transcript_id, count(*) as stored, max(index) + 1 as numbered
            from raw.sentences where {ALIVE} group by transcript_id
        )
        select transcripts.id, title, sentence_total as at_source, coalesce(counted.stored, 0) as stored,
            counted.numbered
        from raw.transcripts
        left join counted on counted.transcript_id = transcripts.id
        where {ALIVE} and is_whole and (
            sentence_total is distinct from coalesce(counted.stored, 0) or counted.numbered is distinct from
            case when sentence_total > 0 then sentence_total end
        )
        order by transcripts.id
        """
    )
    if not differing:
        return Finding(True, "Every meeting has the sentences that it had when it was read.")
    missing = sum(max((row["at_source"] or 0) - row["stored"], 0) for row in differing)
    text = (
        f"{len(differing)} meetings have other sentences than when they were read; {missing} are missing. "
        "Report it as a bug."
    )
    return Finding(False, text, numbers={"meetings": table_of(differing), "sentences missing": missing})


_SENTENCES_OF_UNFINISHED = f"""
    select transcripts.id, title, count(*) as sentences
    from raw.sentences
    join raw.transcripts on transcripts.id = sentences.transcript_id
    where not transcripts.is_whole and {alive("transcripts")}
        and {alive("sentences")}
    group by all order by 1
"""

CHECKS = (
    Check(
        "completeness",
        "transcripts",
        "Every meeting that the newest census listed is stored. Fails when many are missing: run a sync with --census. "
        "Warns when the account counts more meetings than its key sees.",
        _completeness,
    ),
    Check(
        "whole",
        "transcripts",
        "Every meeting older than two days was read with its sentences. Warns when the day's quota does not suffice, "
        "when a summary is stuck at Fireflies, or when Fireflies cannot answer for a meeting.",
        _meetings_are_whole,
    ),
    Check(
        "sentence_totals",
        "sentences",
        "Each meeting has as many sentences as when it was read, numbered without a gap.",
        _sentence_totals,
    ),
    no_rows(
        "unfinished_apart",
        "sentences",
        "No sentence belongs to a meeting that is live or still processed: its text still changes.",
        _SENTENCES_OF_UNFINISHED,
        good="No sentence belongs to a meeting that is not finished.",
        bad="{count} meetings that are not finished have sentences: captions, or half a transcript.",
        rows="meetings",
        next_step="Report it as a bug.",
    ),
    *(
        no_orphans(table, "transcript_id", parents=f"select id from raw.transcripts where {ALIVE}", of="meetings")
        for table in ("sentences", "attendees", "action_items")
    ),
)
