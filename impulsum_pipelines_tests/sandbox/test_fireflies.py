"""The sandbox's Fireflies answers by the vendor's schema, and only with the fields asked for."""

from __future__ import annotations

import gzip
from typing import Any

import graphql
import pytest
import requests

from impulsum_pipelines.sandbox.fireflies.schema import SDL
from impulsum_pipelines.sources.fireflies.queries import LIGHT_FIELDS, WHOLE_FIELDS, to_graphql
from impulsum_pipelines_tests.places import SHARED

_SPEC = SHARED / "specs" / "fireflies.graphql.gz"


@pytest.fixture
def vendor() -> graphql.GraphQLSchema:
    """The schema as the vendor publishes it."""
    if not _SPEC.exists():
        pytest.skip(f"the vendor's description {_SPEC.name} is not in ../shared/specs")
    return graphql.build_schema(gzip.decompress(_SPEC.read_bytes()).decode())


class Asks:
    """Asks a sandbox with a key."""

    def __init__(self, served: Any) -> None:
        self.served = served
        self.key = served.env["FIREFLIES_API_KEY"]

    def __call__(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = requests.post(
            self.served.env["FIREFLIES_API_URL"],
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=30,
        )
        assert answer.status_code == 200, "errors have status 200 too"
        return answer.json()

    def code(self, query: str, **variables: Any) -> str:
        """The code of the only error."""
        [error] = self(query, **variables)["errors"]
        assert error["extensions"]["code"] == error["code"]
        return error["code"]


@pytest.fixture
def ask(sandbox: Any) -> Asks:
    return Asks(sandbox(seed=1, now="2026-11-02T12:00:00Z"))


def fields_of(kind: graphql.GraphQLNamedType) -> dict[str, graphql.GraphQLField]:
    """The fields of a type that has fields."""
    assert isinstance(kind, graphql.GraphQLObjectType | graphql.GraphQLInterfaceType)
    return kind.fields


def everything(schema: graphql.GraphQLSchema, name: str) -> str:
    """A selection of every field of a type."""
    parts = []
    for field, definition in fields_of(schema.type_map[name]).items():
        inner = graphql.get_named_type(definition.type)
        parts.append(field if graphql.is_leaf_type(inner) else f"{field} {{ {everything(schema, inner.name)} }}")
    return " ".join(parts)


def test_the_types_are_the_vendors_word_for_word(vendor: graphql.GraphQLSchema) -> None:
    ours = graphql.build_schema(SDL)
    for name, definition in ours.type_map.items():
        if name.startswith("__") or name in ("DateTime",):
            continue
        theirs = vendor.type_map[name]
        if name == "Query":
            fields = {field: graphql.print_type(theirs).count(field) for field in fields_of(definition)}
            assert all(fields.values())
            for field, query in fields_of(definition).items():
                assert str(query.type) == str(fields_of(theirs)[field].type)
                arguments = {a: (str(d.type), d.default_value) for a, d in fields_of(theirs)[field].args.items()}
                assert {a: (str(d.type), d.default_value) for a, d in query.args.items()} == arguments
        else:
            assert graphql.print_type(definition) == graphql.print_type(theirs)


@pytest.mark.parametrize("query", ["transcripts(limit: 20)", "users", "user"])
def test_every_field_answers_as_described(ask: Asks, vendor: graphql.GraphQLSchema, query: str) -> None:
    name = "Transcript" if query.startswith("transcripts") else "User"
    for live in (False, True):
        ask.served.control("fireflies/hold_meeting", live=live, status="processed")
    asked = f"query {{ {query} {{ {everything(vendor, name)} }} }}"
    answer = ask(asked)
    assert "errors" not in answer
    as_described = graphql.graphql_sync(vendor, asked, root_value=answer["data"])
    assert as_described.errors is None
    assert as_described.data == answer["data"]


@pytest.mark.parametrize("selection", [LIGHT_FIELDS, WHOLE_FIELDS], ids=["light", "whole"])
def test_our_queries_are_valid_by_the_vendors_schema(vendor: graphql.GraphQLSchema, selection: Any) -> None:
    query = f"query($i: String!) {{ a: transcript(id: $i) {{ {to_graphql(selection)} }} }}"
    assert graphql.validate(vendor, graphql.parse(query)) == []


def test_only_what_is_asked_for_is_answered(ask: Asks) -> None:
    [meeting] = ask("{ transcripts(limit: 1) { id speakers { name } } }")["data"]["transcripts"]
    assert meeting.keys() == {"id", "speakers"}
    assert all(speaker.keys() == {"name"} for speaker in meeting["speakers"])
    assert ask.code("{ transcripts { no_such_field } }") == "GRAPHQL_VALIDATION_FAILED"


def test_pages_bounds_and_filters(ask: Asks) -> None:
    listed = ask("{ transcripts { id date title organizer_email } }")["data"]["transcripts"]
    assert [m["date"] for m in listed] == sorted((m["date"] for m in listed), reverse=True)
    page = ask("{ transcripts(limit: 5, skip: 5) { id } }")["data"]["transcripts"]
    assert [m["id"] for m in page] == [m["id"] for m in listed[5:10]]
    span = "query($a: DateTime, $b: DateTime) { transcripts(fromDate: $a, toDate: $b) { date } }"
    found = ask(span, a="2026-10-01T00:00:00.000Z", b="2026-10-15T00:00:00.000Z")["data"]["transcripts"]
    assert 0 < len(found) < len(listed)
    assert all(1_790_812_800_000 <= m["date"] <= 1_792_022_400_000 for m in found)
    email = listed[0]["organizer_email"]
    own = ask("query($e: [String!]) { transcripts(organizers: $e) { id } }", e=[email])["data"]["transcripts"]
    assert {m["id"] for m in own} == {m["id"] for m in listed if m["organizer_email"] == email}


def test_refusals(ask: Asks) -> None:
    assert ask.code("{ transcripts(limit: 51) { id } }") == "invalid_arguments"
    assert ask.code("{ transcripts(skip: 5001) { id } }") == "invalid_arguments"
    assert ask.code('{ transcripts(fromDate: "yesterday") { id } }') == "invalid_arguments"
    assert ask.code('{ transcript(id: "none") { id } }') == "object_not_found"
    ask.served.control("fireflies/set_admin", admin=False)
    assert ask.code("{ users { name } }") == "require_elevated_privilege"
    ask.served.control("fireflies/set_quota", per_minute=3, forget=True)
    for _ in range(3):
        ask("{ user { name } }")
    [error] = ask("{ user { name } }")["errors"]
    assert error["code"] == "too_many_requests"
    assert error["extensions"]["metadata"]["retryAfter"] > 1_700_000_000_000
    ask.key = "wrong"
    assert ask.code("{ user { name } }") == "auth_failed"


def test_one_item_that_fails_does_not_spoil_the_others(ask: Asks) -> None:
    first, second, *_ = [m["id"] for m in ask("{ transcripts { id } }")["data"]["transcripts"]]
    ask.served.control("fireflies/fail_field", meeting=first, field="summary")
    answer = ask(
        f'{{ a: transcript(id: "{first}") {{ id summary {{ gist }} }} b: transcript(id: "{second}") {{ id }} }}'
    )
    assert answer["data"] == {"a": {"id": first, "summary": None}, "b": {"id": second}}
    assert [error["path"] for error in answer["errors"]] == [["a", "summary"]]


def test_the_same_seed_gives_the_same_meetings(sandbox: Any) -> None:
    def shown(seed: int) -> Any:
        return sandbox(seed=seed, now="2026-11-02T12:00:00Z").control("fireflies/truth")["sentences"]

    assert shown(5) == shown(5)
    assert shown(5) != shown(6)
