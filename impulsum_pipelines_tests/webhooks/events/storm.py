"""A storm of drop files, all at once: good files of six sources, repeated deliveries, and bad files.

The good files have every recorded body (``bodies.py``), then generated ones about a few issues: their pull requests,
threads, hours. The bad files are of every kind in ``docs/drop-files.md``; some try to lead out of the inbox.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import Settings
from impulsum_pipelines.webhooks.events.event import Event, read_event
from impulsum_pipelines_tests.webhooks import bodies
from impulsum_pipelines_tests.webhooks.sample_events import ACTIVE_SPRINT, DONE, issue, message, on_repository, pull

#: Shares of files.
REPEATED, BAD = 0.05, 0.02

_RECEIVED = datetime(2026, 11, 2, 12, tzinfo=UTC)
#: The events happened within this time before.
_PERIOD = timedelta(days=3)

Sent = tuple[str, Mapping[str, str], bytes, str | None]


@dataclass
class Storm:
    """What was put into the inbox.

    Args:
        outside: a folder beside the inbox that must not change; some bad files lead there.
        letters: its files.
        events: the events of the good files, by source and key; once each, also when delivered repeatedly.
        good: names of the good files.
        bad: names of the bad files, each with words that its reason must contain.
    """

    outside: Path
    letters: Mapping[Path, bytes]
    events: dict[tuple[str, str], Event] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)
    bad: dict[str, str] = field(default_factory=dict)


def drop_at_once(settings: Settings, outside: Path, *, files: int, seed: int = 1) -> Storm:
    """Create an inbox that already contains all files."""
    chance, inbox = random.Random(seed), Home.of(settings).inbox
    folder = inbox / "preparing"
    folder.mkdir(parents=True)
    storm = Storm(outside, _lay_out(outside))
    bad, repeated = max(len(_bad(0, outside)), round(files * BAD)), round(files * REPEATED)
    sent = list(_sent(chance, files - bad - repeated))
    sent += chance.choices(sent, k=repeated)
    chance.shuffle(sent)
    for number, (source, headers, body, delivery) in enumerate(sent):
        name = _name(source, number, chance)
        (folder / name).write_bytes(_envelope(source, headers, body, delivery))
        event = read_event(source, headers, body, _RECEIVED, delivery)
        storm.good.add(name)
        storm.events[source, event.key] = event
    for number in range(bad):
        kinds = _bad(number, outside)
        make, name, reason = kinds[number % len(kinds)]
        path = folder / (name or _name("jira", 1_000_000 + number, chance))
        make(path)
        storm.bad[path.name] = reason
    folder.rename(inbox / "incoming")
    return storm


def _sent(chance: random.Random, count: int) -> Iterator[Sent]:
    real = [] if not bodies.FOLDER.exists() else bodies.bodies()
    chance.shuffle(real)
    real = real[: count // 3]
    for body in real:
        yield body.source, {k.lower(): v for k, v in body.headers.items()}, body.body, f"{body.source}/{body.name}"
    for number in range(count - len(real)):
        source, headers, body, delivery = _generated(chance, number, issues=max(2, count // 12))
        yield source, headers, orjson.dumps(body), delivery


def _generated(chance: random.Random, number: int, issues: int) -> tuple[str, Mapping[str, str], Any, str | None]:
    about = chance.randrange(1, issues + 1)
    key, at = f"OPS-{about}", _RECEIVED - chance.random() * _PERIOD
    stamp, iso, delivery = f"{at.timestamp():.6f}", at.isoformat(), f"delivery-{number}"
    of_jira: dict[str, Any] = {"timestamp": int(at.timestamp() * 1000)}
    base = issue(key, priority={"name": chance.choice(["Medium"] * 20 + ["High", "Highest"])})
    changed = [
        issue(key, changed={"labels": ("", "x")}),
        issue(key, changed={"status": ("To Do", "Blocked")}, **ACTIVE_SPRINT),
        issue(key, changed={"status": ("To Do", "Done")}, status=DONE),
        issue(key, changed={"Rank": ("", "Ranked higher")}),
    ]
    for body in (base, *changed):
        body["issue"]["id"] = str(10_000 + about)
    of_pull = pull(about, branch=f"ops-{about}-fix", updated_at=iso)
    thread = f"{_RECEIVED.timestamp() - about:.6f}"
    match chance.randrange(12):
        case 0 | 1 | 2:
            return "jira", {}, base | of_jira, delivery
        case 3 | 4 | 5:
            return "jira", {}, chance.choice(changed) | of_jira, None  # identified by the hash of its body
        case 6 | 7:
            text = chance.choice([f"look at {key}", "on it", "production is down", f"{key}: production is down"])
            content = message(text, ts=stamp, thread_ts=thread) | {
                "event_id": f"Ev{number}",
                "token": f"secret-{number}",
            }
            return "slack", {}, content, f"Ev{number}"
        case 8 | 9:
            named = chance.choice(["pull_request", "pull_request", "check_run"])
            more = {"check_run": {"name": "tests", "conclusion": "failure", "completed_at": iso, "pull_requests": []}}
            content = on_repository(pull_request=of_pull, action="opened", **(more if named == "check_run" else {}))
            return "github", {"x-github-event": named, "x-github-delivery": delivery}, content, delivery
        case 10:
            payload = {
                "tempoWorklogId": number,
                "issue": {"id": 10_000 + about},
                "timeSpentSeconds": 60,
                "updatedAt": iso,
            }
            return "tempo", {}, {"eventId": delivery, "eventType": "worklog.created", "payload": payload}, delivery
        case _:
            page = {"id": f"{about:032x}", "type": "page"}
            content = {"id": delivery, "type": "page.content_updated", "timestamp": iso, "entity": page, "data": {}}
            return "notion", {}, content, delivery


def _name(source: str, number: int, chance: random.Random) -> str:
    received = _RECEIVED + timedelta(microseconds=number)
    return f"{received:%Y%m%dT%H%M%S.%f}Z-{source}-{chance.getrandbits(128):032x}.json"


def _envelope(source: str, headers: Mapping[str, str], body: bytes, delivery: str | None) -> bytes:
    """A drop file as another producer writes it."""
    return orjson.dumps(
        {
            "version": 1,
            "source": source,
            "received_at": _RECEIVED.isoformat(),
            "headers": headers,
            "body": body.decode(),
            "signature": "valid",
            "delivery": delivery,
        }
    )


def contents(folder: Path) -> dict[Path, bytes]:
    """Every file below a folder."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _lay_out(outside: Path) -> dict[Path, bytes]:
    """Files that a bad file may try to reach: a good drop file, and a folder with another."""
    (outside / "folder").mkdir(parents=True)
    for path in (outside / "letter.json", outside / "folder" / "letter.json"):
        path.write_bytes(_envelope("jira", {}, orjson.dumps(issue("OUT-1", priority={"name": "Highest"})), str(path)))
    return contents(outside)


def _bad(number: int, outside: Path) -> list[tuple[Callable[[Path], object], str, str]]:
    """Every kind of bad file: how to make it, its name if that is wrong, and words of its reason."""
    good = _envelope("jira", {}, orjson.dumps(issue("BAD-1", priority={"name": "Highest"})), f"bad-{number}")
    deep = b'{"a":' * 101 + b"1" + b"}" * 101
    contents = (
        (good[: len(good) // 2], "EOF while parsing"),
        (good.replace(b'"version":1', b'"version":"1"'), "version: Input should be a valid integer"),
        (good.replace(b"jira:", b"jira\xff", 1), "not UTF-8"),
        (b"", "It is empty"),
        (b"[" * 100_000, "recursion limit"),
        (_envelope("jira", {}, deep, f"bad-{number}"), "nested deeper than 100 levels"),
        (_envelope("jira", {}, b"[1]", f"bad-{number}"), "a list, not a JSON object"),
    )
    names = (
        f"%2e%2e%2foutside%2fletter{number}.json",
        f"\\..\\..\\outside\\{number}",
        f"-rf {number}",
        f"$(touch {number})",
    )
    links = (outside / "letter.json", outside / "folder", Path("../../nowhere"))
    return [
        *((partial(Path.write_bytes, data=data), "", reason) for data, reason in contents),
        *(
            (partial(Path.write_bytes, data=good), name, "Its name is not")
            for name in (*names, f"{number:x>255}", f"\n{number}")
        ),
        *((partial(Path.symlink_to, target=target), "", "symbolic link") for target in links),
        (_make_huge, "", "larger than 25 MB"),
        (_make_folder, "", "not a regular file"),
        (os.mkfifo, "", "not a regular file"),
    ]


def _make_huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 30_000_000)


def _make_folder(path: Path) -> None:
    path.mkdir()
    (path / "letter.json").write_bytes(b"within")
