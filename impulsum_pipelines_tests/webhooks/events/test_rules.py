"""Your own rules: what conditions can test, and how a mistake in a file is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from impulsum_pipelines.cli import app, main
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines.webhooks.events import triage
from impulsum_pipelines.webhooks.events.rules import RuleSet
from impulsum_pipelines_tests.webhooks.sample_events import event, issue, message

REST = {"rule": "rest", "priority": "P3", "why": "the rest"}


def rule_set(when: Any, unless: Any = None) -> RuleSet:
    rule = {"rule": "mine", "priority": "P1", "why": "mine", "when": when}
    return RuleSet.model_validate({"rules": [rule if unless is None else {**rule, "unless": unless}, REST]})


#: Created 2026-10-01, with labels a and b, received 2026-11-02 12:00.
ISSUE = event(
    "jira", issue(labels=["a", "b"], created="2026-10-01T12:00:00.000+0000", customfield_1=[{"value": "Impediment"}])
)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ({"source": "jira"}, True),
        ({"source": ["slack", "github"]}, False),
        ({"type": "JIRA:ISSUE_*"}, True),
        ({"type": "issue_*"}, False),
        ({"labels": "b"}, True),
        ({"labels": {"only": ["a", "b", "c"]}}, True),
        ({"labels": {"only": "a"}}, False),
        ({"labels": {"is_not": "a"}}, False),
        ({"labels": {"is": "a", "is_not": "z"}}, True),
        ({"assignee": {"is_not": "x"}}, True),
        ({"assignee": {"known": False}}, True),
        ({"assignee": {"known": True}}, False),
        ({"changed_fields": {"only": "rank"}}, False),
        ({"is_flagged": True}, True),
        ({"is_flagged": False}, False),
        ({"is_draft": False}, True),
        ({"is_draft": True}, False),
        ({"title": {"matches": r"^abc-\d+: the"}}, True),
        ({"title": {"says": ["checkout"]}}, True),
        ({"title": {"says": "check"}}, False),
        ({"age_hours": {"at_least": 0.05, "at_most": 0.1}}, True),
        ({"age_hours": {"at_least": 1}}, False),
        ({"priority": {"at_least": 1}}, False),
        ({"created_at": {"older_than_hours": 24}}, True),
        ({"created_at": {"older_than_hours": 24, "younger_than_hours": 48}}, False),
        ({"due_at": {"older_than_hours": 0}}, False),
        ([{"source": "slack"}, {"labels": "a"}], True),
        ({"source": "jira", "labels": "z"}, False),
    ],
)
def test_conditions(when: Any, holds: bool) -> None:
    rules = rule_set(when)
    assert (triage.classify(ISSUE, rules).rule == "mine") is holds
    steps = triage.explain_classification(ISSUE, rules)
    assert [step.rule for step in steps] == (["mine"] if holds else ["mine", "rest"])
    assert (steps[0].against is None) is holds


def test_unless_overrides_a_rule_that_holds() -> None:
    rules = rule_set({"source": "jira"}, unless=[{"labels": "z"}, {"labels": "a"}])
    assert triage.classify(ISSUE, rules).rule == "rest"
    assert triage.explain_classification(ISSUE, rules)[0].against == "unless labels has a"


def test_an_event_without_a_matching_rule_is_for_the_record() -> None:
    rules = RuleSet.model_validate({"rules": [{**REST, "when": {"source": "slack"}}]})
    assert triage.classify(ISSUE, rules).priority == "P3"


@pytest.mark.parametrize(
    ("mistake", "expected"),
    [
        ({"priority": "loud"}, r"rule 1 \('mine'\), priority: Input should be 'P0'"),
        (
            {"when": {"prioritty": "High"}},
            r"rule 1 \('mine'\), when.*'prioritty' is not a fact; did you mean 'priority'\?",
        ),
        ({"when": {"source": "jra"}}, "'jra' is not a source"),
        ({"when": {}}, "names no fact"),
        ({"when": {"title": {}}}, "has no test"),
        ({"when": {"title": []}}, r"when\.0\.title\.is.*at least 1"),
        ({"when": {"title": {"says": []}}}, r"title\.says.*at least 1"),
        ({"when": {"title": {"say": ["x"]}}}, r"title\.say: Extra inputs"),
        ({"when": {"title": {"matches": "("}}}, "not a regular expression"),
        ({"if": {"title": "x"}}, r"rule 1 \('mine'\), if: Extra"),
        ({"rule": "rest"}, "rule 2 has the name of an earlier rule: 'rest'"),
        ({"when": None}, r"rule 1 \('mine'\) always holds"),
        ({"why": ""}, r"rule 1 \('mine'\), why"),
    ],
)
def test_a_mistake_is_reported_with_its_rule_and_place(tmp_path: Path, mistake: dict[str, Any], expected: str) -> None:
    rule = {"rule": "mine", "priority": "P1", "why": "mine", "when": {"source": "jira"}, **mistake}
    write(tmp_path, yaml.safe_dump({"rules": [rule, REST]}))
    with pytest.raises(ImpulsumError, match=expected) as caught:
        triage.load_rules(load_settings())
    assert caught.value.category is Category.CONFIGURATION
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "rules:", "rules: []", "- rule: x", "rules: [", "a: &a [*a]", "\xff\x00"])
def test_a_file_without_rules_is_rejected(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(ImpulsumError, match="triage rules cannot be used"):
        triage.load_rules(load_settings())


def write(folder: Path, text: str) -> Path:
    path = folder / "home" / "triage.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_your_own_file_replaces_the_rules_and_is_read_again_when_it_changes(tmp_path: Path) -> None:
    packaged = triage.load_rules(load_settings())
    assert packaged is triage.load_rules(load_settings())
    write(tmp_path, yaml.safe_dump({"rules": [REST]}))
    assert [rule.rule for rule in triage.load_rules(load_settings()).rules] == ["rest"]
    write(tmp_path, yaml.safe_dump({"rules": [{**REST, "rule": "another"}]}))
    assert [rule.rule for rule in triage.load_rules(load_settings()).rules] == ["another"]


def test_the_setting_takes_precedence_over_the_file_in_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "no rules")
    elsewhere = tmp_path / "rules.yaml"
    elsewhere.write_text(yaml.safe_dump({"rules": [REST]}))
    monkeypatch.setenv("IMPULSUM_TRIAGE", str(elsewhere))
    assert triage.load_rules(load_settings()).rules[0].rule == "rest"
    monkeypatch.setenv("IMPULSUM_TRIAGE", str(tmp_path / "none.yaml"))
    with pytest.raises(ImpulsumError, match="cannot be read"):
        triage.load_rules(load_settings())


def drop_file(folder: Path, body: dict[str, Any], **fields: Any) -> Path:
    envelope = {"version": 1, "source": "slack", "received_at": "2026-11-02T12:00:00+00:00", "headers": {},
                "body": orjson.dumps(body).decode(), "signature": "valid", "delivery": None, **fields}  # fmt: skip
    path = folder / "20261102T120000.000000Z-slack-0123456789abcdef.json"
    path.write_bytes(orjson.dumps(envelope))
    return path


def test_explain_says_which_rule_decides_and_why_the_others_do_not(tmp_path: Path) -> None:
    path = drop_file(tmp_path, message("production is down, see ABC-1"))
    shown = CliRunner().invoke(app, ["triage", "explain", str(path)])
    assert shown.exit_code == 0
    assert "P0 by the rule 'production is down'" in shown.output
    assert "text says 'production is down'" in shown.output
    assert "is_bot is no, expected yes" in shown.output
    assert "issue:ABC-1" in shown.output


def test_explain_takes_a_body_as_the_vendor_sent_it(tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(orjson.dumps({"action": "publicized", "repository": {"full_name": "acme/shop"}}))
    command = ["triage", "explain", str(path), "--source", "github", "--header", "X-GitHub-Event: repository", "--json"]
    shown = CliRunner().invoke(app, command)
    document = orjson.loads(shown.stdout)
    assert (document["event"]["type"], document["verdict"]["priority"]) == ("repository.publicized", "P1")
    assert document["rules"][-1]["against"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [(["{body}"], 1, "--source"), (["{missing}"], 2, "does not exist"), (["{bad}", "--source", "jira"], 1, "not JSON")],
)
def test_explain_reports_what_it_cannot_read(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, expected: str
) -> None:
    (tmp_path / "body").write_text("{}")
    (tmp_path / "bad").write_text("{")
    paths = {name: str(tmp_path / name) for name in ("body", "missing", "bad")}
    with pytest.raises(SystemExit) as exit_:
        main(["triage", "explain", *(argument.format(**paths) for argument in arguments)])
    assert exit_.value.code == code
    # The box around an error breaks its lines wherever the length of the path demands.
    assert expected in " ".join(capfd.readouterr().err.replace("│", " ").split())
