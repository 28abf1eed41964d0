"""The form of a triage file: ordered rules, each with what must hold of an event, checked before any is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.mentions import said
from impulsum_pipelines.webhooks.readers import readers, vocabulary

Priority = Literal["P0", "P1", "P2", "P3", "noise"]

#: The most urgent first.
PRIORITIES: tuple[Priority, ...] = ("P0", "P1", "P2", "P3", "noise")

#: What every event has beside its facts.
OF_EVERY_EVENT = ("source", "type", "title", "actor", "subjects")


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Word = str | bool | int | float
Words = Annotated[list[Word], BeforeValidator(_listed), Field(min_length=1)]
Phrase = Annotated[str, Field(min_length=2, pattern=r"\w")]
Phrases = Annotated[list[Phrase], BeforeValidator(_listed), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """What must hold of one fact; everything that is named must. A value or a list of values alone means ``is``."""

    is_: Words | None = Field(default=None, alias="is", description="equals one of them; * stands for anything")
    is_not: Words | None = Field(default=None, description="is known and equals none of them, or is not known")
    only: Words | None = Field(default=None, description="a list with something in it, and with nothing else")
    says: Phrases | None = Field(default=None, description="says one of the phrases, in whole words, not denied")
    matches: str | None = Field(default=None, description="a regular expression is found in it, in small or capitals")
    at_least: float | None = Field(default=None, description="a number that is not below")
    at_most: float | None = Field(default=None, description="a number that is not above")
    older_than_hours: float | None = Field(default=None, description="a time so long before the event was received")
    younger_than_hours: float | None = Field(default=None, description="a time not so long before it was received")
    known: bool | None = Field(default=None, description="whether the event says it at all")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"is": value}

    @model_validator(mode="after")
    def _asks_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("asks nothing")
        return self

    @field_validator("matches")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from None
        return value

    def reason(self, name: str, value: Any, received_at: datetime) -> str | None:
        """Why the condition holds of a fact, in words; None when it does not hold."""
        reasons = list(self._reasons(name, value, received_at))
        return None if None in reasons else ", ".join(filter(None, reasons))

    def _reasons(self, name: str, value: Any, received_at: datetime) -> Iterator[str | None]:
        values = _values(value)
        if self.known is not None:
            yield (f"{name} is {'known' if values else 'not known'}") if bool(values) is self.known else None
        if self.is_ is not None:
            yield _equal(name, values or ((False,) if self.is_ == [False] else ()), self.is_)
        if self.is_not is not None:
            yield None if _equal(name, values, self.is_not) else f"{name} is not {_spoken(self.is_not)}"
        if self.only is not None:
            yield _only(name, values, self.only)
        if self.says is not None:
            phrase = next((found for text in values if (found := said(str(text), self.says))), None)
            yield f"{name} says {phrase!r}" if phrase else None
        if self.matches is not None:
            is_found = any(_expression(self.matches).search(str(text)) for text in values)
            yield f"{name} matches {self.matches!r}" if is_found else None
        if self.at_least is not None or self.at_most is not None:
            yield _within(name, value, self.at_least, self.at_most)
        if self.older_than_hours is not None or self.younger_than_hours is not None:
            age = (received_at - value) / timedelta(hours=1) if isinstance(value, datetime) else None
            yield _within(f"age of {name} in hours", age, self.older_than_hours, self.younger_than_hours)


class Conditions(_Strict):
    """Conditions on facts by name; all must hold."""

    facts: dict[str, Condition]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if not isinstance(value, dict) or not value:
            raise ValueError("names no fact")
        known = {*OF_EVERY_EVENT, *vocabulary()}
        for name in value:
            if name not in known:
                near = get_close_matches(str(name), sorted(known), 1)
                raise ValueError(f"{name!r} is no fact" + (f"; is {near[0]!r} meant?" if near else ""))
        return {"facts": value}

    @field_validator("facts")
    @classmethod
    def _known_source(cls, facts: dict[str, Condition]) -> dict[str, Condition]:
        asked = facts["source"].is_ or [] if "source" in facts else []
        if unknown := [name for name in asked if name not in readers()]:
            raise ValueError(f"{unknown[0]!r} is no source; there are {', '.join(readers())}")
        return facts

    @cached_property
    def _sources(self) -> frozenset[Word]:
        """The sources of which alone they can hold, to be asked before all else; empty when they do not say."""
        return frozenset(self.facts["source"].is_ or ()) if "source" in self.facts else frozenset()

    def reason(self, event: Event) -> str | None:
        """Why all hold of an event; None when one does not."""
        if self._sources and event.source not in self._sources:
            return None
        reasons = []
        for name, condition in self.facts.items():
            reason = condition.reason(name, fact(event, name), event.received_at)
            if reason is None:
                return None
            # A source and a type are said with the event anyway.
            if name not in {"source", "type"}:
                reasons.append(reason)
        return ", ".join(reasons)

    def failing(self, event: Event) -> str | None:
        """The first condition that does not hold, in words."""
        for name, condition in self.facts.items():
            value = fact(event, name)
            if condition.reason(name, value, event.received_at) is None:
                asked = condition.model_dump(by_alias=True, exclude_unset=True)
                return f"{name} is {_spoken(_values(value)) or 'not known'}, asked is {_asked(asked)}"
        return None


AnyOf = Annotated[list[Conditions], BeforeValidator(_listed), Field(min_length=1)]


class Rule(_Strict):
    """One rule. The first that holds decides.

    ``when`` and ``unless`` are conditions, or a list of such of which one must hold.
    """

    rule: str = Field(min_length=1, max_length=100)
    priority: Priority
    why: str = Field(min_length=1, max_length=300)
    when: AnyOf | None = None
    unless: AnyOf | None = None

    def reason(self, event: Event) -> str | None:
        """Why the rule holds of an event; None when it does not."""
        if any(conditions.reason(event) is not None for conditions in self.unless or ()):
            return None
        if self.when is None:
            return "nothing before it spoke of it"
        return next((reason for conditions in self.when if (reason := conditions.reason(event)) is not None), None)

    def against(self, event: Event) -> str | None:
        """Why the rule does not hold of an event; None when it does."""
        for conditions in self.unless or ():
            if (reason := conditions.reason(event)) is not None:
                return f"unless {reason or 'of its type'}"
        failing = [conditions.failing(event) for conditions in self.when or ()]
        return None if None in failing or not failing else "; or ".join(dict.fromkeys(filter(None, failing)))


class RuleBook(_Strict):
    """A triage file.

    Args:
        words: lists of words that rules share by YAML's anchors.
        rules: in the order in which they are asked.
    """

    words: dict[str, list[Word]] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_can_decide(self) -> RuleBook:
        seen: set[str] = set()
        for position, rule in enumerate(self.rules, 1):
            if rule.rule in seen:
                raise ValueError(f"rule {position} has the name of one before it: {rule.rule!r}")
            seen.add(rule.rule)
            if rule.when is None and rule.unless is None and position < len(self.rules):
                raise ValueError(f"rule {position} ({rule.rule!r}) takes everything: those after it never decide")
        return self


def fact(event: Event, name: str) -> Any:
    """One fact of an event, or one of what every event has."""
    return getattr(event, name) if name in OF_EVERY_EVENT else event.facts.get(name)


def _values(value: Any) -> tuple[Any, ...]:
    if value is None or value == "":
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _equal(name: str, values: tuple[Any, ...], asked: list[Word]) -> str | None:
    found = next((value for value in values if any(_same(value, word) for word in asked)), None)
    if found is None:
        return None
    return f"{name} is {_spoken([found])}" if len(values) == 1 else f"{name} has {_spoken([found])}"


def _only(name: str, values: tuple[Any, ...], asked: list[Word]) -> str | None:
    holds = bool(values) and all(any(_same(value, word) for word in asked) for value in values)
    return f"{name} is only {_spoken(values)}" if holds else None


def _same(value: Any, word: Word) -> bool:
    if isinstance(word, bool) or isinstance(value, bool):
        return value is word
    if isinstance(word, str) and "*" in word:
        return bool(_glob(word).fullmatch(str(value)))
    return str(value).casefold() == str(word).casefold()


@lru_cache(maxsize=1024)
def _glob(word: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, word.split("*"))), re.IGNORECASE | re.DOTALL)


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _within(name: str, value: Any, lowest: float | None, highest: float | None) -> str | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    inside = (lowest is None or value >= lowest) and (highest is None or value <= highest)
    return f"{name} is {value:g}" if inside else None


def _spoken(values: Any) -> str:
    words = [("yes" if value else "no") if isinstance(value, bool) else str(value)[:80] for value in values]
    return ", ".join(words[:5]) + (", …" if len(words) > 5 else "")


def _asked(asked: dict[str, Any]) -> str:
    if set(asked) == {"is"}:
        return _spoken(asked["is"])
    return ", ".join(f"{name} {_spoken(_values(value))}" for name, value in asked.items())
