"""What the bodies of each vendor say: one module a source, each with one :class:`Reader` named ``READER``.

Adding a source takes that module, nothing else here.
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
    "age_hours": "how long after it happened it was received, hours",
    "occurred_at": "when it happened",
    "changed_fields": "names of the fields that this event changed",
    "created_at": "when the thing that it is about was created",
    "is_bot": "whether a program did it",
    "is_over": "whether this event says that its issue or pull request is done, closed or merged now",
    "labels": "labels of what it is about",
    "text": "what people wrote in this event: a comment, a message, a new title or description",
}


@dataclass(frozen=True)
class Reading:
    """What one body says, as its vendor's module reads it. See :class:`impulsum_pipelines.webhooks.events.event.Event`.

    Args:
        type: the vendor's name of what happened.
        occurred_at: the event's own time.
        subjects: what it is about, the nearest first; None is left out.
        title: what it says, in one line.
        url: where people look at it.
        actor: account id or login.
        facts: what rules speak of, by the names of ``vocabulary()``; None is left out.
        texts: where work may be named: titles, branches, messages.
    """

    type: str
    occurred_at: datetime | None = None
    subjects: Sequence[str | None] = ()
    title: str | None = None
    url: str | None = None
    actor: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    texts: Sequence[str | None] = ()


def _names_nothing(_text: str) -> Iterable[str]:
    return ()


def _is_unknown(_subjects: Sequence[str]) -> str | None:
    return None


def _is_always_read(_subject: str, _at: datetime, _settings: Settings) -> bool:
    return True


@dataclass(frozen=True)
class Pulled:
    """A kind of thing that events tell of, and that pulls hold with the time of its last change.

    SQL speaks of ``row``, a row of the raw table.

    Args:
        kind: of its subjects: issue-id, pull, thread.
        table: the raw table.
        subject: SQL of what events name it by, behind the kind.
        name: SQL of what people call it. It is told in alerts: nothing private.
        part: SQL of the project, repository or channel that it is in; webhooks may tell of some and not of others.
        changed_at: SQL of when it last changed, by the source.
        changed_by: types of events after which a pull must show a change as late as the event.
        deleted_by: types of events after which it must be gone by the census of the next night.
        undone_by: types of events that take back what was said before, so that no pull need show it.
        joined: SQL of what is joined to the row.
        where: SQL of which rows count.
        is_gone: SQL of whether the row is of something that is no more.
        apart: how far the time of an event and that of the change may lie apart: clocks differ, vendors round.
        part_of: the part that an event is about, by its subjects; None where they do not say.
        is_read: whether live pulls read what an event is about: its subject, the event's time.
    """

    kind: str
    table: str
    subject: str
    name: str
    changed_at: str
    changed_by: frozenset[str]
    part: str = "''"
    deleted_by: frozenset[str] = frozenset()
    undone_by: frozenset[str] = frozenset()
    joined: str = ""
    where: str = "true"
    is_gone: str = "row.deleted_at is not null or row.unreachable_since is not null"
    apart: timedelta = timedelta(minutes=2)
    part_of: Callable[[Sequence[str]], str | None] = _is_unknown
    is_read: Callable[[str, datetime, Settings], bool] = _is_always_read


@dataclass(frozen=True)
class Reader:
    """How one vendor's bodies are read.

    Args:
        read: from a body and its headers (names in small letters). It may refuse what is no event by ValueError.
        facts: the facts that it gives beside the common ones, each with its meaning.
        volatile: fields of a body that differ when the same is said again.
        mentioned: the subjects of this vendor that a text names, in anybody's text.
        pulled: what its events tell of and pulls show as well, so that each can be held against the other.
    """

    read: Callable[[Document, Mapping[str, str]], Reading]
    facts: Mapping[str, str]
    volatile: frozenset[str] = frozenset()
    mentioned: Callable[[str], Iterable[str]] = _names_nothing
    pulled: tuple[Pulled, ...] = ()


@cache
def readers() -> Mapping[str, Reader]:
    """Every source's reader."""
    return {source.name: import_module(f"{__name__}.{source.name}").READER for source in SOURCES}


@cache
def vocabulary() -> Mapping[str, str]:
    """Every fact that a rule may speak of, with its meaning."""
    found = dict(COMMON_FACTS)
    for reader in readers().values():
        found.update(reader.facts)
    return dict(sorted(found.items()))
