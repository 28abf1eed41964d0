"""What a source takes: the places that name it are those that CONTRIBUTING.md lists, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from impulsum_pipelines.tiers import SOURCES

ROOT = Path(__file__).resolve().parents[2]
#: What is searched; what tools write there is not ours.
FOLDERS, WRITTEN = ("impulsum_pipelines", "dbt_project"), {"target", "logs", "__pycache__"}
#: Models that use a source, and what they share: any may.
MODELS = ("dbt_project/models/intermediate/", "dbt_project/models/marts/", "dbt_project/macros/")
#: Slack is where alerts go, too, source or not.
ALERTS_GO_THERE = {"impulsum_pipelines/alerts/outbox.py", "impulsum_pipelines/alerts/channels.py"}
#: Tempo's worklogs and Jira's are the same hours, and both say so: it is no place that Tempo took.
SAME_HOURS = {
    "impulsum_pipelines/sources/jira/tables.py",
    "dbt_project/models/staging/jira/_jira__models.yml",
    "dbt_project/models/staging/jira/_jira__sources.yml",
}
#: Jira was there first: the sandbox's site, the demo and the examples in descriptions are Jira's.
LATER = [source.name for source in SOURCES if source.name != "jira"]


def listed(mark: str, source: str) -> set[str]:
    """The paths of a source that the listing of CONTRIBUTING.md marks with a sign."""
    (listing,) = re.findall(
        r"## Adding a source\n.*?```diff\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL
    )
    return {path.replace("tempo", source) for path in re.findall(rf"^{re.escape(mark)} (\S+)", listing, re.MULTILINE)}


def naming(source: str) -> set[str]:
    """Files that name a source, in their path or text."""
    name = re.compile(rf"(?<![a-z]){source}(?![a-z])", re.IGNORECASE)
    found = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            place = path.relative_to(ROOT)
            if WRITTEN.intersection(place.parts) or not path.is_file():
                continue
            if name.search(str(place)) or name.search(path.read_text(errors="replace")):
                found.add(str(place))
    return found


@pytest.mark.parametrize("source", LATER)
def test_a_source_is_named_where_the_listing_says_and_nowhere_else(source: str) -> None:
    own = tuple(listed("+", source))
    elsewhere = {path for path in naming(source) if not path.startswith((*own, *MODELS))}
    known = {"tempo": SAME_HOURS, "slack": ALERTS_GO_THERE}.get(source, set())
    assert elsewhere - known == listed("~", source)


@pytest.mark.parametrize("source", [source.name for source in SOURCES])
def test_a_source_has_all_that_is_listed(source: str) -> None:
    assert [path for path in listed("+", source) | listed("~", source) if not (ROOT / path).exists()] == []
    assert listed("~", source) <= naming(source)
