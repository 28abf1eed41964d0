"""Parsing of webhook bodies: one module per source, each with one :class:`Reader` named ``READER``.

To add a source, add its module; nothing here changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from importlib import import_module
from typing import Any

from impulsum_pipelines.settings import Settings
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.readers.document import Document

#: Facts that several vendors give, each with its meaning.
COMMON_FACTS = {
    "age_hours": "hours between the event and its receipt",
    "occurred_at": "when it happened",
    "changed_fields": "names of the fields that this event changed",
    "created_at": "when the subject of the event was created",
    "is_bot": "whether a program did it",
    "is_over": "whether this event says that its issue or pull request is now done, closed or merged",
    "labels": "labels of the subject",
    "text": "what people wrote in this event: a comment, a message, a new title or description",
}


@dataclass(frozen=True)
class ParsedBody:
    """One body as its vendor's reader parses it. See :class:`impulsum_pipelines.webhooks.events.event.Event`.

    Args:
        type: the vendor's name of what happened.
        occurred_at: the event's own time; None when the body has none.
        subjects: what the event is about, the nearest first; None is left out.
        title: one line that says what happened.
        url: address of the subject for people.
        actor: account id or login.
        facts: facts for rules, by the names of ``vocabulary()``; None is left out.
        texts: titles, branches and messages, which may name issues and pull requests.
    """

    type: str
    occurred_at: datetime | None = None
    subjects: Sequence[str | None] = ()
    title: str | None = None
    url: str | None = None
    actor: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    texts: Sequence[str | None] = ()


def _finds_none(_text: str) -> Iterable[str]:
    return ()


def _is_unknown(_subjects: Sequence[str]) -> str | None:
    return None


def _is_always_pulled(_subject: str, _at: datetime, _settings: Settings) -> bool:
    return True


@dataclass(frozen=True)
class PulledKind:
    """A kind of thing that both events and pulls report, with how to find it in the raw file.

    In the SQL, ``row`` is a row of the raw table.

    Args:
        kind: of its subjects: issue-id, pull, thread.
        table: the raw table.
        subject: SQL of the subject, without its kind, as events name it.
        name: SQL of the name that people know. It is shown in alerts, so it must not be private.
        scope: SQL of its project, repository or channel; webhooks may be set up for some scopes only.
        changed_at: SQL of its last change, by the clock of the source.
        changed_by: types of events after which a pull must show a change as late as the event.
        deleted_by: types of events after which the census of the next night must find it deleted.
        undone_by: types of events that take an earlier event back, so that no pull has to show it.
        joins: SQL joined to the row.
        where: SQL of which rows count.
        is_gone: SQL of whether the row is deleted or unreachable.
        tolerance: the largest difference between the time of an event and of its change: clocks differ, vendors round.
        scope_of: the scope of an event, from its subjects; None when they do not say.
        is_pulled: whether live pulls read this: subject, time of the event, settings.
    """

    kind: str
    table: str
    subject: str
    name: str
    changed_at: str
    changed_by: frozenset[str]
    scope: str = "''"
    deleted_by: frozenset[str] = frozenset()
    undone_by: frozenset[str] = frozenset()
    joins: str = ""
    where: str = "true"
    is_gone: str = "row.deleted_at is not null or row.unreachable_since is not null"
    tolerance: timedelta = timedelta(minutes=2)
    scope_of: Callable[[Sequence[str]], str | None] = _is_unknown
    is_pulled: Callable[[str, datetime, Settings], bool] = _is_always_pulled


@dataclass(frozen=True)
class Reader:
    """How to parse the bodies of one vendor.

    Args:
        parse: parses a body and its headers (lower-case names). Raises ValueError when the body is not an event.
        facts: the facts that it gives beside the common ones, each with its meaning.
        volatile: fields of a body that differ when the same event is sent again.
        find_subjects: the subjects of this vendor that a text names; called with texts of every vendor.
        pulled_kinds: what both events and pulls report, so that they can be compared.
    """

    parse: Callable[[Document, Mapping[str, str]], ParsedBody]
    facts: Mapping[str, str]
    volatile: frozenset[str] = frozenset()
    find_subjects: Callable[[str], Iterable[str]] = _finds_none
    pulled_kinds: tuple[PulledKind, ...] = ()


@cache
def readers() -> Mapping[str, Reader]:
    """The reader of every source, by name."""
    return {source.name: import_module(f"{__name__}.{source.name}").READER for source in SOURCES}


@cache
def vocabulary() -> Mapping[str, str]:
    """Every fact that a rule may use, with its meaning."""
    found = dict(COMMON_FACTS)
    for reader in readers().values():
        found.update(reader.facts)
    return dict(sorted(found.items()))
