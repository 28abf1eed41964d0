"""The sandbox's Slack fits the vendor's published description, and the answers that the vendor's SDK recorded."""

from __future__ import annotations

import gzip
import tarfile
from functools import cache
from typing import Any

import jsonschema
import orjson
import pytest
import requests

from impulsum_pipelines.sandbox.server import Running
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.places import SHARED

_SPEC = SHARED / "specs" / "slack_web.json.gz"
_SAMPLES = SHARED / "data" / "slack_samples.tar.gz"
pytestmark = pytest.mark.skipif(
    not (_SPEC.exists() and _SAMPLES.exists()), reason="Slack's description and samples are not in ../shared"
)

#: Errors that the description of 2021 forbids or lacks, and that the vendor's pages list today.
_NEWER_ERRORS = {"token_revoked", "not_in_channel", "invalid_types", "invalid_limit", "invalid_cursor"}


@cache
def spec() -> dict[str, Any]:
    return orjson.loads(gzip.decompress(_SPEC.read_bytes()))


@cache
def sample(method: str) -> dict[str, Any]:
    with tarfile.open(_SAMPLES) as archive:
        [member] = [m for m in archive.getmembers() if m.name.endswith(f"api/{method}.json")]
        found = archive.extractfile(member)
        assert found
        return orjson.loads(found.read())


def adapted(schema: Any) -> Any:
    """The schema as it is meant: a list of schemas in ``items`` of something that is not an array means any of them.

    Fields newer than 2021 are allowed here; they are compared with the samples instead.
    """
    if isinstance(schema, list):
        return [adapted(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: adapted(part) for name, part in schema.items() if name != "uniqueItems"}
    if isinstance(found.get("items"), list) and found.get("type") != "array":
        found["anyOf"] = found.pop("items")
    if found.get("additionalProperties") is False:
        del found["additionalProperties"]
    return found


def fits(method: str, answer: dict[str, Any]) -> None:
    kind = "200" if answer["ok"] else "default"
    schema = adapted(spec()["paths"][f"/{method}"]["get"]["responses"][kind]["schema"])
    if not answer["ok"] and answer["error"] in _NEWER_ERRORS:
        return
    definitions = {name: adapted(part) for name, part in spec()["definitions"].items()}
    jsonschema.Draft7Validator({**schema, "definitions": definitions}).validate(answer)


def names(document: Any) -> set[str]:
    """The paths of all fields; in a list, those of any item."""
    if isinstance(document, dict):
        return {f"{name}{rest}" for name, value in document.items() for rest in {"", *(f".{p}" for p in names(value))}}
    return {path for item in document for path in names(item)} if isinstance(document, list) else set()


def described(method: str) -> set[str]:
    """Fields that the description has for the things that a method lists."""
    definitions = spec()["definitions"]
    thing = {
        "conversations.list": "objs_conversation",
        "conversations.history": "objs_message",
        "conversations.replies": "objs_message",
        "users.list": "objs_user",
    }[method]
    variants = definitions[thing].get("items", [definitions[thing]])
    return {name for variant in variants for name in variant.get("properties", {})}


def ask(site: Running, method: str, **params: Any) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {site.env['SLACK_BOT_TOKEN']}"}
    url = f"{site.env['SLACK_API_URL']}/{method}"
    answer: dict[str, Any] = requests.get(url, params=params, headers=headers, timeout=30).json()
    return answer


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "conversations.list": ("channels", {"types": "public_channel,private_channel,mpim,im", "limit": 999}),
    "users.list": ("members", {"limit": 200}),
    "conversations.history": ("messages", {"channel": "C00000003", "limit": 999}),
}


def test_answers_are_as_described(sandbox: SandboxFactory) -> None:
    site = sandbox(issues=200)
    site.control("slack/create_channel", name="group-talk", kind="mpim", with_bot=True)
    fits("auth.test", ask(site, "auth.test"))
    for method, (key, params) in CALLS.items():
        answer = ask(site, method, **params)
        assert len(answer[key]) >= 8
        fits(method, answer)
        recorded = {name for thing in sample(method)[key] for name in thing} | described(method)
        assert {name for thing in answer[key] for name in thing} - recorded <= {"hidden"}  # of a tombstone
    fits("conversations.members", ask(site, "conversations.members", channel="C00000001", limit=3))
    fits("conversations.history", ask(site, "conversations.history", channel="C00000001", limit=2))
    recorded = {name for thing in sample("conversations.replies")["messages"] for name in thing}
    recorded |= described("conversations.replies")
    for root in site.control("slack/threads", channel="C00000003"):
        answer = ask(site, "conversations.replies", channel="C00000003", ts=root, limit=3)
        assert {name for message in answer["messages"] for name in message} <= recorded
        assert answer["messages"][0]["ts"] == root
        for message in answer["messages"]:
            jsonschema.Draft7Validator(
                {"$ref": "#/definitions/objs_message",
                 "definitions": {name: adapted(part) for name, part in spec()["definitions"].items()}}
            ).validate(message)  # fmt: skip


def test_refusals_are_as_described(sandbox: SandboxFactory) -> None:
    site = sandbox(issues=40)
    url = site.env["SLACK_API_URL"]
    fits("auth.test", requests.get(f"{url}/auth.test", timeout=30).json())
    wrong = requests.get(f"{url}/users.list", headers={"Authorization": "Bearer xoxb-other"}, timeout=30)
    assert (wrong.status_code, wrong.json()["error"]) == (200, "invalid_auth")
    fits("users.list", wrong.json())
    refused = {
        "channel_not_found": ("conversations.history", {"channel": "C99999999"}),
        "not_in_channel": ("conversations.history", {"channel": site.control("slack/channels")["design"]["id"]}),
        "thread_not_found": ("conversations.replies", {"channel": "C00000001", "ts": "1.0"}),
        "invalid_cursor": ("users.list", {"cursor": "nonsense", "limit": 2}),
        "invalid_limit": ("conversations.history", {"channel": "C00000001", "limit": 1001}),
        "invalid_ts_oldest": ("conversations.history", {"channel": "C00000001", "oldest": "yesterday"}),
    }
    for code, (method, params) in refused.items():
        answer = ask(site, method, **params)
        assert answer["error"] == code
        fits(method, answer)
    site.control("slack/scopes", remove=["im:read"])
    answer = ask(site, "conversations.list", types="public_channel,im")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "im:read")
    fits("conversations.list", answer)
    for code in ("token_revoked", "account_inactive"):
        site.control("slack/revoke_token", error=code)
        assert ask(site, "auth.test")["error"] == code


def test_history_begins_at_the_bounded_end(sandbox: SandboxFactory) -> None:
    """With only ``oldest`` Slack begins with the messages closest to it; with ``latest`` too, closest to ``latest``."""
    site = sandbox(issues=60)
    stamps = [m["ts"] for m in ask(site, "conversations.history", channel="C00000001", limit=999)["messages"]]
    assert stamps == sorted(stamps, reverse=True)
    bounds = {"channel": "C00000001", "limit": 5, "oldest": stamps[-3], "inclusive": "true"}
    forward = ask(site, "conversations.history", **bounds)
    assert [m["ts"] for m in forward["messages"]] == stamps[-7:-2]
    cursor = forward["response_metadata"]["next_cursor"]
    assert [m["ts"] for m in ask(site, "conversations.history", **bounds, cursor=cursor)["messages"]] == stamps[-12:-7]
    backward = ask(site, "conversations.history", **bounds, latest=stamps[0])
    assert [m["ts"] for m in backward["messages"]] == stamps[:5]


def test_more_than_the_published_calls_a_minute_are_refused(sandbox: SandboxFactory) -> None:
    site = sandbox(issues=40)
    headers = {"Authorization": f"Bearer {site.env['SLACK_BOT_TOKEN']}"}
    answers = [
        requests.get(f"{site.env['SLACK_API_URL']}/users.list", params={"limit": 1}, headers=headers, timeout=30)
        for _ in range(21)
    ]
    assert [a.status_code for a in answers] == [200] * 20 + [429]
    assert answers[-1].json() == {"ok": False, "error": "ratelimited"}
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert site.control("slack/refusals") == {"users.list": 1}


def test_a_seed_makes_the_same_workspace(sandbox: SandboxFactory) -> None:
    one, other = (sandbox(seed=7, issues=120).control("slack/truth") for _ in range(2))
    assert one == other
