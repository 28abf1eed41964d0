"""Every recorded body, and a table of how the rules classify each: a generated part of ``docs/triage.md``.

The bodies are not part of the project; they are read from ``../shared/data``.
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from impulsum_pipelines.webhooks.events.event import Event, read_event
from impulsum_pipelines.webhooks.events.triage import PACKAGED, classify, load_rules_file
from impulsum_pipelines.webhooks.readers import vocabulary
from impulsum_pipelines_tests.places import SHARED

DATA = SHARED / "data"
FOLDER = DATA / "webhooks"
#: Later than every body.
RECEIVED = datetime(2026, 11, 22, tzinfo=UTC)


@dataclass(frozen=True)
class Body:
    """One body with its headers."""

    source: str
    name: str
    headers: dict[str, str]
    body: bytes

    def event(self) -> Event:
        return read_event(self.source, self.headers, self.body, RECEIVED, f"{self.source}/{self.name}")


def has_bodies() -> bool:
    """Whether the recorded bodies are on this machine."""
    return FOLDER.exists() and (DATA / "slack_samples.tar.gz").exists()


def bodies() -> list[Body]:
    """All bodies, always in the same order."""
    return sorted((*_jira(), *_github(), *_slack(), *_examples()), key=lambda body: (body.source, body.name))


def table() -> str:
    """How the rules classify the bodies, as Markdown."""
    rules = load_rules_file(PACKAGED)
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for body in bodies():
        event = body.event()
        classification = classify(event, rules)
        counted[event.source, event.type, classification.priority, classification.rule] += 1
    lines = ["| source | event | bodies | priority | rule |", "|---|---|---:|---|---|"]
    for (source, kind, priority, rule), count in sorted(counted.items()):
        lines.append(f"| {source} | `{kind}` | {count} | {priority} | {rule} |")
    return "\n".join(lines)


def facts() -> str:
    """Every fact that a rule may use, as Markdown."""
    rows = (f"| `{name}` | {meaning} |" for name, meaning in vocabulary().items())
    return "\n".join(("| fact | meaning |", "|---|---|", *rows))


def _members(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.isfile() else None
            if file and member.name.endswith(".json"):
                yield member.name, file.read()


def _jira() -> Iterator[Body]:
    for name, body in _members(FOLDER / "jira_cloud_and_server.tar.gz"):
        yield Body("jira", name, {}, body)


def _github() -> Iterator[Body]:
    for name, body in _members(FOLDER / "github.tar.gz"):
        yield Body("github", name, {"X-GitHub-Event": Path(name).parent.name}, body)


def _slack() -> Iterator[Body]:
    """Samples with the real structure and blank values."""
    for name, body in _members(DATA / "slack_samples.tar.gz"):
        if Path(name).parent.name == "events":
            yield Body("slack", name, {}, body)


def _examples() -> Iterator[Body]:
    def body(source: str, name: str, document: Any) -> Body:
        return Body(source, name, {}, json.dumps(document).encode())

    for number, document in enumerate(_json("notion")["events"]):
        yield body("notion", str(number), document)
    for version in ("v1", "v2"):
        yield body("fireflies", version, _json("fireflies")[version])
    for name, document in _json("tempo").items():
        yield body("tempo", name, document)


def _json(source: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{source}_examples.json").read_text())
