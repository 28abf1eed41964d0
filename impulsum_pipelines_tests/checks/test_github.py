"""Each of GitHub's checks passes on sound data, and is seen to fail on data corrupted as it guards against."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.github import CHECKS
from impulsum_pipelines.loading.run_load import run_load
from impulsum_pipelines.settings import load_settings
from impulsum_pipelines_tests.checks import support
from impulsum_pipelines_tests.conftest import SandboxFactory

evaluate = partial(support.evaluate, "github")

SOUND = """
insert into raw.repositories (id, full_name, open_issue_total, has_issues) values
    ('1', 'harbour/platform', 2, true), ('2', 'harbour/mobile', 0, false);
insert into raw.issues (id, repository_id, number, state, comment_total, payload) values
    ('10', '1', 1, 'open', 1, '{}');
insert into raw.pull_requests
    (id, repository_id, number, state, created_at, closed_at, merged_at, merge_commit_sha, commit_total,
     comment_total, review_comment_total, commit_shas) values
    ('20', '1', 2, 'closed', now() - interval 2 day, now(), now(), 'm', 2, 1, 1, '["a", "b"]'),
    ('21', '1', 3, 'open', now(), null, null, null, 1, 0, 0, '["c"]');
insert into raw.commits (id, repository_id, sha) values ('1:a', '1', 'a'), ('1:b', '1', 'b'), ('1:c', '1', 'c');
insert into raw.reviews (id, repository_id, pull_request_id) values ('30', '1', '20');
insert into raw.review_comments (id, repository_id, pull_request_number) values ('40', '1', 2);
insert into raw.issue_comments (id, repository_id, issue_number) values ('50', '1', 1), ('51', '1', 2);
insert into raw.deployments (id, repository_id, environment, created_at, extracted_at) values
    ('60', '1', 'production', now() - interval 90 day, now()),
    ('61', '1', 'production', now() - interval 60 day, now());
insert into raw.deployment_statuses (id, repository_id, deployment_id, state) values
    ('70', '1', '60', 'in_progress'), ('71', '1', '60', 'inactive'), ('72', '1', '61', 'success');
insert into raw.workflow_runs (id, repository_id) values ('80', '1');
"""

#: (check, table, what breaks, statement, severity)
CORRUPTIONS = [
    ("completeness", "pull_requests", "one lost", "delete from raw.pull_requests where id = '21'", "WARN"),
    ("completeness", "pull_requests", "many lost", "update raw.repositories set open_issue_total = 90", "ERROR"),
    ("commit_totals", "commits", "a commit lost", "delete from raw.commits where sha = 'b'", "ERROR"),
    ("commit_totals", "commits", "a list cut off", "update raw.pull_requests set commit_total = 300", "ERROR"),
    ("comment_totals", "issue_comments", "one lost", "delete from raw.issue_comments where id = '51'", "ERROR"),
    (
        "comment_totals",
        "issue_comments",
        "one since",
        "insert into raw.issue_comments (id, repository_id, issue_number) values ('52', '1', 1)",
        "WARN",
    ),
    ("comment_totals", "review_comments", "one lost", "update raw.review_comments set deleted_at = now()", "ERROR"),
    ("no_orphans", "pull_requests", "no repository", "update raw.pull_requests set repository_id = '9'", "ERROR"),
    ("no_orphans", "reviews", "no pull request", "update raw.reviews set pull_request_id = '10'", "ERROR"),
    ("no_orphans", "review_comments", "no number",
     "update raw.review_comments set pull_request_number = null", "ERROR"),
    ("no_orphans", "issue_comments", "another repository",
     "update raw.issue_comments set repository_id = '2'", "ERROR"),
    ("no_orphans", "deployment_statuses", "no deployment", "delete from raw.deployments where id = '60'", "ERROR"),
    ("no_orphans", "workflow_runs", "no repository", "update raw.workflow_runs set repository_id = null", "ERROR"),
    ("no_pull_requests", "issues", "one that is both", "update raw.issues set number = 2", "ERROR"),
    (
        "no_pull_requests",
        "issues",
        "the issue side",
        "update raw.issues set payload = '{\"pull_request\": {\"url\": \"x\"}}'",
        "ERROR",
    ),
    ("merges", "pull_requests", "merged but open", "update raw.pull_requests set state = 'open'", "ERROR"),
    ("merges", "pull_requests", "no commit", "update raw.pull_requests set merge_commit_sha = null", "ERROR"),
    ("merges", "pull_requests", "before it began", "update raw.pull_requests set created_at = now() + interval 1 day",
     "ERROR"),
    ("ended_deployments", "deployment_statuses", "an end missed", "delete from raw.deployment_statuses where id = '71'",
     "WARN"),
]  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with a small, sound raw file of GitHub."""
    monkeypatch.setenv("IMPULSUM_HOME", str(tmp_path))
    return support.home_with(github=SOUND)


def failed(home: Home) -> dict[tuple[str, str], str]:
    found = {(check.name, check.table): evaluate(home, check.name, check.table) for check in CHECKS}
    return {key: finding.text for key, finding in found.items() if not finding.passed}


def test_sound_data_passes_every_check(home: Home) -> None:
    assert failed(home) == {}


@pytest.mark.usefixtures("quick_loads")
def test_what_is_pulled_passes_every_check(sandbox: SandboxFactory) -> None:
    sandbox(issues=12, now="2026-11-01T12:00:00Z")
    run_load("github", load_settings())
    assert failed(Home.of(load_settings())) == {}


@pytest.mark.parametrize(
    ("name", "table", "what", "statement", "severity"), CORRUPTIONS, ids=[f"{c[1]}-{c[0]}-{c[2]}" for c in CORRUPTIONS]
)
def test_corrupted_data_fails_its_check(
    home: Home, name: str, table: str, what: str, statement: str, severity: str
) -> None:
    with home.write_raw("github") as connection:
        connection.execute(statement)
    found = evaluate(home, name, table)
    assert not found.passed, f"{what}: {found.text}"
    assert ("ERROR" if found.serious else "WARN") == severity
    assert found.numbers


def test_every_check_is_seen_to_fail() -> None:
    assert {(c[0], c[1]) for c in CORRUPTIONS} == {(check.name, check.table) for check in CHECKS}
