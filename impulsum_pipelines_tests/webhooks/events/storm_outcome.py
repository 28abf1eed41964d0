"""Checks after a storm: nothing is lost, nothing is stored twice, and no file outside the inbox was changed.

The expected incidents are computed here independently, from the rule and not by SQL: groups that share a subject with
at most ``SPAN`` between them are merged until no two such groups are left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.ops.schema import alert_changes, alerts, deliveries, events, notifications
from impulsum_pipelines.ops.store import transaction
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.inbox import ALERTED
from impulsum_pipelines.webhooks.events.incidents import SPAN, binding_subjects
from impulsum_pipelines.webhooks.events.triage import classify, load_rules
from impulsum_pipelines_tests.webhooks.events.storm import Storm, contents

Key = tuple[str, str]


def find_errors(settings: Settings, storm: Storm) -> list[str]:
    """Everything that is wrong, in words; empty when all is well."""
    return [*_files(settings, storm), *_events(settings, storm), *_incidents(settings, storm)]


def pending_notifications(settings: Settings) -> int:
    """How many notifications and deliveries are not sent yet."""
    with transaction(settings) as connection:
        waiting = sa.select(sa.func.count()).where(notifications.c.status == "pending")
        being_sent = sa.select(sa.func.count()).where(deliveries.c.status.in_(("pending", "sending")))
        return int(connection.execute(waiting).scalar_one() + connection.execute(being_sent).scalar_one())


def notification_errors(settings: Settings, received: list[str]) -> Iterator[str]:
    """What is wrong with notifications, when a channel received the messages with these ids."""
    with transaction(settings) as connection:
        sent: set[str] = set(
            connection.execute(sa.select(deliveries.c.message_id).where(deliveries.c.status == "sent")).scalars()
        )
        last = sa.select(sa.func.max(notifications.c.id)).group_by(notifications.c.alert_id)
        wanted = sa.select(notifications.c.message_id).join(alerts, alerts.c.id == notifications.c.alert_id)
        needed: Any = connection.execute(
            wanted.where(alerts.c.state != "resolved", notifications.c.id.in_(last))
        ).scalars()
        unsent = set(needed) - sent
    if sent != set(received):
        lost, unrecorded = len(sent - set(received)), len(set(received) - sent)
        yield f"{lost} messages are recorded as sent and were not received, {unrecorded} the reverse"
    if unsent:
        yield f"{len(unsent)} alerts were never notified in their present state"


def _files(settings: Settings, storm: Storm) -> Iterator[str]:
    inbox = Home.of(settings).inbox
    waiting, done, failed = (
        {path.name for path in (inbox / name).glob("*")} for name in ("incoming", "done", "failed")
    )
    if waiting:
        yield f"{len(waiting)} files are still waiting"
    if done != storm.good:
        yield f"{len(storm.good - done)} good files are not in done/, and {len(done - storm.good)} other files are"
    reasons = {name: (inbox / "failed" / name).read_text() for name in failed if name.endswith(".reason.txt")}
    for name, reason in storm.bad.items():
        notes = [note for note, text in reasons.items() if f"Received as {name!a}.\n" in text and reason in text]
        if len(notes) != 1 or notes[0].removesuffix(".reason.txt") not in failed:
            yield f"{name!a} is not in failed/ with the reason {reason!r}"
    if len(failed) != 2 * len(storm.bad):
        yield f"{len(failed)} files in failed/ instead of {2 * len(storm.bad)}: the bad ones and their reasons"
    if contents(storm.outside) != storm.letters:
        yield "files outside the inbox were changed"


def _events(settings: Settings, storm: Storm) -> Iterator[str]:
    with transaction(settings) as connection:
        stored = connection.execute(sa.select(events.c.source, events.c.key, events.c.body)).all()
    counted = Counter((row.source, row.key) for row in stored)
    if twice := [key for key, count in counted.items() if count > 1]:
        yield f"{len(twice)} events are stored more than once, such as {twice[0]}"
    if lost := storm.events.keys() - counted:
        yield f"{len(lost)} events are lost, such as {min(lost)}"
    if made_up := counted.keys() - storm.events.keys():
        yield f"{len(made_up)} events were never sent, such as {min(made_up)}"
    if leaked := [row.key for row in stored if '"secret-' in row.body]:
        yield f"{len(leaked)} bodies contain a secret"


def _incidents(settings: Settings, storm: Storm) -> Iterator[str]:
    rules = load_rules(settings)
    priorities = {key: classify(event, rules).priority for key, event in storm.events.items()}
    expected = _together({key: event for key, event in storm.events.items() if priorities[key] != "noise"})
    with transaction(settings) as connection:
        rows = connection.execute(sa.select(events).where(events.c.incident_id.is_not(None))).all()
        raised = connection.execute(sa.select(alerts)).all()
        joined = sa.select(alert_changes.c.alert_id).where(alert_changes.c.note.like("part of alert %"))
        over: set[int] = set(connection.execute(joined).scalars())
        ended = sa.select(alert_changes.c.alert_id, alert_changes.c.note).where(alert_changes.c.note.like("% is over"))
        ended_by = {row.alert_id: row.note.removesuffix(" is over") for row in connection.execute(ended)}
    found: dict[int, set[Key]] = defaultdict(set)
    ids: dict[Key, int] = {}
    for row in rows:
        found[row.incident_id].add((row.source, row.key))
        ids[row.source, row.key] = row.id
    if {frozenset(keys) for keys in found.values()} != expected:
        yield f"the events make {len(found)} incidents, which are not the {len(expected)} expected ones"
    alarming = {
        incident: members
        for incident, keys in found.items()
        if (members := {key for key in keys if priorities[key] in ALERTED})
    }
    unresolved = {alert.key: alert for alert in raised if alert.state != "resolved"}
    ending = {key: event for key, event in storm.events.items() if event.facts.get("is_over")}
    quiet = alarming.keys() - {int(key.removeprefix("incident:")) for key in unresolved}
    if len(quiet) > len(ended_by) or any(not found[incident] & ending.keys() for incident in quiet):
        yield f"{len(unresolved)} alerts for {len(alarming)} incidents that need one"
    if surplus := unresolved.keys() - {f"incident:{incident}" for incident in alarming}:
        yield f"{len(surplus)} alerts without a reason, such as {min(surplus)}"
    if made_up := set(ended_by.values()) - {event.subjects[0] for event in ending.values()}:
        yield f"{len(made_up)} alerts were resolved though no event says so, such as {min(made_up)}"
    explained = over | ended_by.keys()
    if unexplained := [alert.id for alert in raised if alert.state == "resolved" and alert.id not in explained]:
        yield f"{len(unexplained)} alerts were resolved without a reason, such as {unexplained[0]}"
    for incident, members in alarming.items():
        if (alert := unresolved.get(f"incident:{incident}")) is None:
            continue
        about = members
        if found[incident] & ending.keys():  # an earlier alert may be resolved: this one is about later events
            about = {key for key in members if ids[key] in alert.evidence["events"]} or members
        yield from _alert(alert, min(priorities[key] for key in about), {ids[key] for key in about})


def _alert(alert: Any, priority: str, because_of: set[int]) -> Iterator[str]:
    if alert.priority != priority:
        yield f"alert {alert.id} is {alert.priority} and not {priority}"
    evidence = set(alert.evidence["events"])
    if not evidence <= because_of or (len(because_of) <= 50 and evidence != because_of):
        yield f"alert {alert.id} names {len(evidence)} events, of the {len(because_of)} that it is about"


@dataclass
class _Group:
    keys: set[Key]
    subjects: set[str]
    first: datetime
    last: datetime


def _together(sent: dict[Key, Event]) -> set[frozenset[Key]]:
    times = {key: event.occurred_at for key, event in sent.items()}
    groups = [_Group({key}, set(binding_subjects(sent[key].subjects)), at, at) for key, at in times.items()]
    while len(fewer := _joined(groups)) < len(groups):
        groups = fewer
    return {frozenset(group.keys) for group in groups}


def _joined(groups: list[_Group]) -> list[_Group]:
    """The groups after merging each with its neighbours on the time line of each of its subjects."""
    by_subject: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(groups)), key=lambda number: groups[number].first):
        for subject in groups[number].subjects:
            by_subject[subject].append(number)
    leaders = list(range(len(groups)))

    def leader(number: int) -> int:
        while leaders[number] != number:
            leaders[number] = number = leaders[leaders[number]]
        return number

    for line in by_subject.values():
        reach = groups[line[0]].last
        for before, number in pairwise(line):
            reach = max(reach, groups[before].last)
            if groups[number].first - reach <= SPAN:
                leaders[leader(number)] = leader(before)
    made: dict[int, _Group] = {}
    for number, group in enumerate(groups):
        one = made.setdefault(leader(number), group)
        one.keys |= group.keys
        one.subjects |= group.subjects
        one.first, one.last = min(one.first, group.first), max(one.last, group.last)
    return list(made.values())
