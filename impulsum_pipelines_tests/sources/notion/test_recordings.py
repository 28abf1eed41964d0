"""Recorded answers of Notion (July 2026): no value is lost on the way into a row, and the sandbox answers alike."""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jsonschema
import orjson
import pytest
import requests

from impulsum_pipelines.sources.notion import rows
from impulsum_pipelines_tests.places import SHARED
from impulsum_pipelines_tests.sandbox.test_against_specs import _spec
from impulsum_pipelines_tests.sources.sites import Start

RECORDINGS = SHARED / "data" / "notion_recordings.tar.gz"
SHAPES = {
    "page": rows.page,
    "block": lambda document: rows.block(document, "page", 0, 0),
    "comment": lambda document: rows.comment(document, "page"),
    "data_source": rows.data_source,
    "user": rows.user,
}
#: How many of each the recorded answers contain: the test must meet all of them.
RECORDED = {"block": 128, "page": 60, "data_source": 39, "user": 14, "comment": 11}
#: Fields that only some answers of a kind have, or that the sandbox lacks.
UNLIKE = {"request_id", "request_status"}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no container, and every empty container, with its place."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    parts = list(inner)
    if not parts:
        yield path, value
    for name, part in parts:
        yield from leaves(part, (*path, str(name)))


def answers() -> list[dict[str, Any]]:
    """The bodies of all recorded answers."""
    import yaml

    if not RECORDINGS.exists():
        pytest.skip("the recordings notion_recordings.tar.gz are not in ../shared/data")
    found = []
    with tarfile.open(RECORDINGS) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".yaml") else None
            for exchange in yaml.load(file.read(), yaml.CSafeLoader)["interactions"] if file else ():
                text = exchange["response"]["body"]["string"]
                if text != "400 Bad Request":  # a gateway's answer
                    found.append(orjson.loads(text))
    assert len(found) == 332
    return found


def documents() -> list[dict[str, Any]]:
    """Every recorded document of a kind that we store."""
    bodies = answers()
    listed = [document for body in bodies if body.get("object") == "list" for document in body["results"]]
    return [document for document in (*bodies, *listed) if document.get("object") in SHAPES]


def test_no_leaf_value_of_a_recorded_document_is_lost() -> None:
    count = 0
    met: Counter[str] = Counter()
    for document in documents():
        row = SHAPES[document["object"]](document)
        given, kept = list(leaves(document)), list(leaves(orjson.loads(orjson.dumps(row["payload"]))))
        assert len(kept) == len(given)
        assert kept == given
        count += len(given)
        met[document["object"]] += 1
        assert row["id"] == document["id"]
    assert met == RECORDED
    assert count > 5_000


def test_the_hash_of_a_recorded_document_leaves_out_only_what_expires() -> None:
    for document in documents():
        hashed = SHAPES[document["object"]](document)["hashed"]
        left_out = {path[-1] for path, _ in leaves(document)} - {path[-1] for path, _ in leaves(hashed) if path}
        assert left_out <= {"request_id", "expiry_time"}


def test_typed_columns_of_recorded_documents_are_filled() -> None:
    for document in documents():
        row = SHAPES[document["object"]](document)
        if document["object"] in ("page", "block", "comment", "data_source"):
            assert row["created_at"].tzinfo
            assert row["updated_at"].second == 0, "Notion cuts times to the minute"
            assert row["parent_id"] is not None or row["parent_type"] == "workspace"


def keys_of(found: list[dict[str, Any]]) -> dict[str, set[str]]:
    """By kind of document, the fields that all of them have."""
    shared: dict[str, set[str]] = {}
    for document in found:
        fields = set(document) - UNLIKE
        shared[document["object"]] = shared.get(document["object"], fields) & fields
    return shared


def test_the_sandbox_answers_with_the_fields_that_are_recorded(workspace: Start) -> None:
    recorded = keys_of([*documents(), *(a for a in answers() if a.get("object") in ("list", "database", "error"))])
    ours = keys_of(list(_sandbox_answers(workspace(seed=51), "2025-09-03")))
    assert {kind: recorded[kind] - ours[kind] for kind in ours} == {kind: set() for kind in ours}
    newest = keys_of(list(_sandbox_answers(workspace(seed=51), "2026-03-11")))
    assert not any("archived" in fields for fields in newest.values()), "renamed in_trash in 2026-03-11"


def test_the_sandbox_fits_the_vendors_description(workspace: Start) -> None:
    spec = _spec("notion")
    site = workspace(seed=52)
    page = next(iter(site.control("notion/truth")["pages"]))
    source = next(iter(site.control("notion/truth")["data_sources"]))
    database = site.control("notion/truth")["data_sources"][source]["database_id"]
    for method, described, path in (
        ("get", "/v1/users", "/users"),
        ("get", "/v1/users/me", "/users/me"),
        ("post", "/v1/search", "/search"),
        ("get", "/v1/blocks/{block_id}/children", f"/blocks/{page}/children"),
        ("get", "/v1/pages/{page_id}", f"/pages/{page}"),
        ("get", "/v1/comments", f"/comments?block_id={page}"),
        ("post", "/v1/data_sources/{data_source_id}/query", f"/data_sources/{source}/query"),
        ("get", "/v1/data_sources/{data_source_id}", f"/data_sources/{source}"),
        ("get", "/v1/databases/{database_id}", f"/databases/{database}"),
    ):
        content = spec["paths"][described][method]["responses"]["200"]["content"]["application/json"]
        answer = _ask(site, method, path)
        assert answer.status_code == 200, answer.text
        jsonschema.Draft202012Validator(content.get("schema", {})).validate(answer.json())
        for example in (content.get("examples") or {}).values():
            assert set(example["value"]) <= set(answer.json()), described
    wrong = _ask(site, "get", "/pages/00000000-0000-4000-8000-000000000000")
    described = spec["paths"]["/v1/pages/{page_id}"]["get"]["responses"]["400"]["content"]["application/json"]
    jsonschema.Draft202012Validator(described["schema"]).validate(wrong.json())


def _ask(site: Any, method: str, path: str, version: str = "2026-03-11") -> requests.Response:
    headers = {"Authorization": f"Bearer {site.env['NOTION_TOKEN']}", "Notion-Version": version}
    body: dict[str, Any] = {"json": {}} if method == "post" else {}
    return requests.request(method, site.env["NOTION_API_URL"] + path, headers=headers, timeout=30, **body)


def _sandbox_answers(site: Any, version: str) -> Iterator[dict[str, Any]]:
    truth = site.control("notion/truth")
    source = next(iter(truth["data_sources"]))
    paths = [("get", "/users"), ("post", "/search"), ("post", f"/data_sources/{source}/query")]
    paths += [("get", f"/databases/{truth['data_sources'][source]['database_id']}"), ("get", "/pages/none")]
    paths += [("get", f"/{kind}") for page in truth["pages"] for kind in (f"blocks/{page}/children",)]
    paths += [("get", f"/comments?block_id={comment['page_id']}") for comment in truth["comments"].values()]
    for method, path in paths:
        answer = _ask(site, method, path, version).json()
        yield answer
        yield from answer.get("results", ())
