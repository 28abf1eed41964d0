"""Classifying events by urgency, with ordered rules that anybody can read and replace.

The default rules are ``triage.yaml`` beside this file. Your own file, ``triage.yaml`` in ``IMPULSUM_HOME`` or the one
that ``IMPULSUM_TRIAGE`` names, replaces all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event
from impulsum_pipelines.webhooks.events.rules import EventPriority, RuleSet

#: The default rules.
PACKAGED = Path(__file__).with_name("triage.yaml")


@dataclass(frozen=True)
class Classification:
    """The priority of an event, and why.

    Args:
        priority: P0 now, P1 today, P2 soon, P3 for the record; noise is stored and raises no alert.
        rule: name of the rule that decided.
        why: the rule's reason, and the conditions that were met.
    """

    priority: EventPriority
    rule: str
    why: str


@dataclass(frozen=True)
class RuleOutcome:
    """One rule that was applied to an event.

    Args:
        rule: its name.
        priority: its priority.
        against: why it did not decide; None when it did.
    """

    rule: str
    priority: EventPriority
    against: str | None


def classify(event: Event, rules: RuleSet) -> Classification:
    """Classify an event by the first rule that holds; P3 when none does."""
    for rule in rules.rules:
        if (reason := rule.reason(event)) is not None:
            return Classification(rule.priority, rule.rule, f"{rule.why}: {reason}" if reason else rule.why)
    return Classification("P3", "no rule", "no rule applies to it")


def explain_classification(event: Event, rules: RuleSet) -> list[RuleOutcome]:
    """Every rule in order, up to the one that decides, with why it decides or not."""
    outcomes = []
    for rule in rules.rules:
        outcomes.append(RuleOutcome(rule.rule, rule.priority, rule.reason_against(event)))
        if outcomes[-1].against is None:
            break
    return outcomes


def rules_file(settings: Settings) -> Path:
    """The rules file in use."""
    if settings.impulsum_triage:
        return settings.impulsum_triage.expanduser().absolute()
    own = settings.home / "triage.yaml"
    return own if own.exists() else PACKAGED


def load_rules(settings: Settings) -> RuleSet:
    """The rules in use; a file that did not change is not read again.

    Raises:
        ImpulsumError: of category *configuration*, naming the file, the rule, and the mistake.
    """
    return load_rules_file(rules_file(settings))


def load_rules_file(path: Path) -> RuleSet:
    """The rules of one file.

    Raises:
        ImpulsumError: as :func:`load_rules`.
    """
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from None


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> RuleSet:
    import yaml

    try:
        written = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unusable(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(written, dict):
        raise _unusable(path, "it contains no rules; it must have a list named `rules:`")
    try:
        return RuleSet.model_validate(written)
    except ValidationError as error:
        raise _unusable(path, "; ".join(_describe(item, written) for item in error.errors()[:5])) from None


def _describe(item: Any, written: dict[str, Any]) -> str:
    """One mistake: which rule, where in it, and what is wrong."""
    place = [str(part) for part in item["loc"] if not str(part).startswith("function-")]
    message = str(item["msg"]).removeprefix("Value error, ")
    if place[:1] == ["rules"] and len(place) > 1:
        found: Any = written["rules"][int(place[1])] if isinstance(written.get("rules"), list) else {}
        name = found.get("rule") if isinstance(found, dict) else None
        label = f"rule {int(place[1]) + 1}" + (f" ({name!r})" if name else "")
        within = ".".join(part for part in place[2:] if part != "facts")
        return ", ".join(filter(None, (label, within))) + f": {message}"
    return f"{'.'.join(place)}: {message}" if place else message


def _unusable(path: Path, what: str) -> ImpulsumError:
    return ImpulsumError(
        Category.CONFIGURATION,
        f"The triage rules cannot be used: {what}",
        where=str(path),
        safe="No event is lost: events wait in the inbox until the rules are valid.",
        next_step="correct the file; `impulsum triage explain FILE` shows how the rules classify an event.",
    )
