"""The format of a triage file: ordered rules with conditions on events. A file is checked before it is used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from impulsum_pipelines.alerts.priorities import PRIORITIES
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.mentions import find_mention
from impulsum_pipelines.webhooks.readers import readers, vocabulary

EventPriority = Literal["P0", "P1", "P2", "P3", "noise"]

#: The most urgent first.
EVENT_PRIORITIES = (*PRIORITIES, "noise")

#: Fields of every event, which rules may use like facts.
EVENT_FIELDS = ("source", "type", "title", "actor", "subjects")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Word = str | bool | int | float
Words = Annotated[list[Word], BeforeValidator(_as_list), Field(min_length=1)]
Phrase = Annotated[str, Field(min_length=2, pattern=r"\w")]
Phrases = Annotated[list[Phrase], BeforeValidator(_as_list), Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """Tests on one fact; all given tests must pass. A value or a list of values alone means ``is``."""

    is_: Words | None = Field(default=None, alias="is", description="equals one of them; * stands for any text")
    is_not: Words | None = Field(default=None, description="equals none of them, or is not known")
    only: Words | None = Field(default=None, description="a list that is not empty and has no other values")
    says: Phrases | None = Field(default=None, description="mentions one of the phrases, as whole words, not denied")
    matches: str | None = Field(default=None, description="a regular expression, found anywhere, in any case")
    at_least: float | None = Field(default=None, description="a number of at least this")
    at_most: float | None = Field(default=None, description="a number of at most this")
    older_than_hours: float | None = Field(default=None, description="a time at least this long before the receipt")
    younger_than_hours: float | None = Field(default=None, description="a time at most this long before the receipt")
    known: bool | None = Field(default=None, description="whether the event has the fact")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: object) -> object:
        return value if isinstance(value, dict) else {"is": value}

    @model_validator(mode="after")
    def _asks_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("has no test")
        return self

    @field_validator("matches")
    @classmethod
    def _expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from None
        return value

    def reason(self, name: str, value: Any, received_at: datetime) -> str | None:
        """Why the condition holds for a fact, in words; None when it does not."""
        reasons = list(self._reasons(name, value, received_at))
        return None if None in reasons else ", ".join(filter(None, reasons))

    def _reasons(self, name: str, value: Any, received_at: datetime) -> Iterator[str | None]:
        values = _as_values(value)
        if self.known is not None:
            yield (f"{name} is {'known' if values else 'not known'}") if bool(values) is self.known else None
        if self.is_ is not None:
            yield _equal(name, values or ((False,) if self.is_ == [False] else ()), self.is_)
        if self.is_not is not None:
            yield None if _equal(name, values, self.is_not) else f"{name} is not {_text(self.is_not)}"
        if self.only is not None:
            yield _only(name, values, self.only)
        if self.says is not None:
            phrase = next((found for text in values if (found := find_mention(str(text), self.says))), None)
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
    """Conditions by the name of the fact; all must hold."""

    facts: dict[str, Condition]

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        if not isinstance(value, dict) or not value:
            raise ValueError("names no fact")
        known = {*EVENT_FIELDS, *vocabulary()}
        for name in value:
            if name not in known:
                near = get_close_matches(str(name), sorted(known), 1)
                raise ValueError(f"{name!r} is not a fact" + (f"; did you mean {near[0]!r}?" if near else ""))
        return {"facts": value}

    @field_validator("facts")
    @classmethod
    def _known_source(cls, facts: dict[str, Condition]) -> dict[str, Condition]:
        sources = facts["source"].is_ or [] if "source" in facts else []
        if unknown := [name for name in sources if name not in readers()]:
            raise ValueError(f"{unknown[0]!r} is not a source; known sources: {', '.join(readers())}")
        return facts

    @cached_property
    def _sources(self) -> frozenset[Word]:
        """The only sources for which the conditions can hold, tested first; empty when they name none."""
        return frozenset(self.facts["source"].is_ or ()) if "source" in self.facts else frozenset()

    def reason(self, event: Event) -> str | None:
        """Why all conditions hold for an event; None when one does not."""
        if self._sources and event.source not in self._sources:
            return None
        reasons = []
        for name, condition in self.facts.items():
            reason = condition.reason(name, fact(event, name), event.received_at)
            if reason is None:
                return None
            # Source and type are shown with the event anyway.
            if name not in {"source", "type"}:
                reasons.append(reason)
        return ", ".join(reasons)

    def failing(self, event: Event) -> str | None:
        """The first condition that does not hold, in words."""
        for name, condition in self.facts.items():
            value = fact(event, name)
            if condition.reason(name, value, event.received_at) is None:
                expected = condition.model_dump(by_alias=True, exclude_unset=True)
                return f"{name} is {_text(_as_values(value)) or 'not known'}, expected {_expected_text(expected)}"
        return None


AnyOf = Annotated[list[Conditions], BeforeValidator(_as_list), Field(min_length=1)]


class Rule(_Strict):
    """One rule. The first rule that holds decides.

    ``when`` and ``unless`` are conditions, or a list of conditions of which one must hold.
    """

    rule: str = Field(min_length=1, max_length=100)
    priority: EventPriority
    why: str = Field(min_length=1, max_length=300)
    when: AnyOf | None = None
    unless: AnyOf | None = None

    def reason(self, event: Event) -> str | None:
        """Why the rule holds for an event; None when it does not."""
        if any(conditions.reason(event) is not None for conditions in self.unless or ()):
            return None
        if self.when is None:
            return "no earlier rule applies"
        return next((reason for conditions in self.when if (reason := conditions.reason(event)) is not None), None)

    def reason_against(self, event: Event) -> str | None:
        """Why the rule does not hold for an event; None when it does."""
        for conditions in self.unless or ():
            if (reason := conditions.reason(event)) is not None:
                return f"unless {reason or 'of its type'}"
        failing = [conditions.failing(event) for conditions in self.when or ()]
        return None if None in failing or not failing else "; or ".join(dict.fromkeys(filter(None, failing)))


class RuleSet(_Strict):
    """The content of a triage file.

    Args:
        words: lists of words that rules share by YAML's anchors.
        rules: in the order in which they are applied.
    """

    words: dict[str, list[Word]] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _each_can_decide(self) -> RuleSet:
        seen: set[str] = set()
        for position, rule in enumerate(self.rules, 1):
            if rule.rule in seen:
                raise ValueError(f"rule {position} has the name of an earlier rule: {rule.rule!r}")
            seen.add(rule.rule)
            if rule.when is None and rule.unless is None and position < len(self.rules):
                raise ValueError(f"rule {position} ({rule.rule!r}) always holds: later rules never decide")
        return self


def fact(event: Event, name: str) -> Any:
    """A fact of an event, or one of the fields of every event."""
    return getattr(event, name) if name in EVENT_FIELDS else event.facts.get(name)


def _as_values(value: Any) -> tuple[Any, ...]:
    if value is None or value == "":
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _equal(name: str, values: tuple[Any, ...], expected: list[Word]) -> str | None:
    found = next((value for value in values if any(_same(value, word) for word in expected)), None)
    if found is None:
        return None
    return f"{name} is {_text([found])}" if len(values) == 1 else f"{name} has {_text([found])}"


def _only(name: str, values: tuple[Any, ...], expected: list[Word]) -> str | None:
    holds = bool(values) and all(any(_same(value, word) for word in expected) for value in values)
    return f"{name} is only {_text(values)}" if holds else None


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


def _text(values: Any) -> str:
    words = [("yes" if value else "no") if isinstance(value, bool) else str(value)[:80] for value in values]
    return ", ".join(words[:5]) + (", …" if len(words) > 5 else "")


def _expected_text(expected: dict[str, Any]) -> str:
    if set(expected) == {"is"}:
        return _text(expected["is"])
    return ", ".join(f"{name} {_text(_as_values(value))}" for name, value in expected.items())
