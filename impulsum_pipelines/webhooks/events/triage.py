"""How urgent an event is: by ordered rules that anybody can read and replace.

The rules that come with the package are ``triage.yaml`` beside this file. A file of one's own, ``triage.yaml`` in
``IMPULSUM_HOME`` or what ``IMPULSUM_TRIAGE`` names, replaces them whole.
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
from impulsum_pipelines.webhooks.events.rules import Priority, RuleBook

#: The rules that come with the package.
PACKAGED = Path(__file__).with_name("triage.yaml")


@dataclass(frozen=True)
class Verdict:
    """What the rules say of an event.

    Args:
        priority: P0 now, P1 today, P2 soon, P3 for the record; noise is kept and stays silent.
        rule: name of the rule that decided.
        why: the rule's reason, and what held.
    """

    priority: Priority
    rule: str
    why: str


@dataclass(frozen=True)
class Step:
    """One rule that was asked, and why it did not decide; None when it did."""

    rule: str
    priority: Priority
    against: str | None


def judge(event: Event, rules: RuleBook) -> Verdict:
    """The verdict of the first rule that holds; P3 where none does."""
    for rule in rules.rules:
        if (reason := rule.reason(event)) is not None:
            return Verdict(rule.priority, rule.rule, f"{rule.why}: {reason}" if reason else rule.why)
    return Verdict("P3", "no rule", "no rule speaks of it")


def explain(event: Event, rules: RuleBook) -> list[Step]:
    """Every rule that was asked, in order, to the one that decided."""
    steps = []
    for rule in rules.rules:
        steps.append(Step(rule.rule, rule.priority, rule.against(event)))
        if steps[-1].against is None:
            break
    return steps


def rules_file(settings: Settings) -> Path:
    """The file whose rules hold."""
    if settings.impulsum_triage:
        return settings.impulsum_triage.expanduser().absolute()
    own = settings.home / "triage.yaml"
    return own if own.exists() else PACKAGED


def rules(settings: Settings) -> RuleBook:
    """The rules as they are now; a file that did not change is not read again.

    Raises:
        ImpulsumError: of category configuration, naming the file, the rule, and what is wrong in it.
    """
    return rules_of(rules_file(settings))


def rules_of(path: Path) -> RuleBook:
    """The rules of one file.

    Raises:
        ImpulsumError: as :func:`rules`.
    """
    try:
        stat = path.stat()
        return _read(path, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise _unusable(path, f"it cannot be read: {error.strerror}") from None


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> RuleBook:
    import yaml

    try:
        written = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unusable(path, f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(written, dict):
        raise _unusable(path, "it holds no rules: the first line is `rules:`")
    try:
        return RuleBook.model_validate(written)
    except ValidationError as error:
        raise _unusable(path, "; ".join(_spoken(item, written) for item in error.errors()[:5])) from None


def _spoken(item: Any, written: dict[str, Any]) -> str:
    """One mistake: which rule, where in it, and what is wrong."""
    place = [str(part) for part in item["loc"] if not str(part).startswith("function-")]
    said = str(item["msg"]).removeprefix("Value error, ")
    if place[:1] == ["rules"] and len(place) > 1:
        found: Any = written["rules"][int(place[1])] if isinstance(written.get("rules"), list) else {}
        name = found.get("rule") if isinstance(found, dict) else None
        called = f"rule {int(place[1]) + 1}" + (f" ({name!r})" if name else "")
        within = ".".join(part for part in place[2:] if part != "facts")
        return ", ".join(filter(None, (called, within))) + f": {said}"
    return f"{'.'.join(place)}: {said}" if place else said


def _unusable(path: Path, what: str) -> ImpulsumError:
    return ImpulsumError(
        Category.CONFIGURATION,
        f"The triage rules cannot be used: {what}",
        where=str(path),
        safe="No event is lost: it waits until the rules can be read.",
        next_step="correct the file; `impulsum triage explain FILE` shows what the rules make of an event.",
    )
