"""What belongs to an issue: histories beyond every limit, comments, links, worklogs, sprints, and bad documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.sandbox.jira.api import platform
from impulsum_pipelines.sources.jira import client, source
from impulsum_pipelines_tests.conftest import SandboxFactory
from impulsum_pipelines_tests.sources.jira.support import alive, held, one, sync

NOW = "2026-11-01T12:00:00Z"
INCOMPLETE = """
    select count(*) from raw.issues
    left join (select issue_id, count(*) as n from raw.changes group by 1) c on c.issue_id = issues.id
    where change_total <> coalesce(n, 0)
"""


def some_key() -> str:
    return str(one("select key from raw.issues where not is_subtask order by id::bigint limit 1"))


@pytest.mark.parametrize(
    ("count", "epoch"),
    [
        (41, False),
        (1_200, True),
        pytest.param(41, True, marks=pytest.mark.exhaustive),
        pytest.param(1_200, False, marks=pytest.mark.exhaustive),
    ],
)
def test_more_histories_than_any_page_has_are_all_read(sandbox: SandboxFactory, count: int, epoch: bool) -> None:
    site = sandbox(seed=21, issues=20, now=NOW)
    sync()
    key = some_key()
    site.control("epoch_changelogs", enabled=epoch)
    site.control("add_histories", issue=key, count=count)
    site.control("clock", advance_seconds=60)
    sync()
    assert one("select count(*) from raw.changes join raw.issues i on i.id = issue_id where key = ?", key) >= count
    assert one(INCOMPLETE) == 0
    assert one("select count(*) from raw.changes where created_at is null or created_at < '2020-01-01'") == 0


def test_comments_are_added_deleted_and_complete_beyond_the_inline_limit(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=22, issues=20, now=NOW)
    sync()
    key = some_key()
    before = len(alive("comments"))
    for number in range(25):
        site.control("add_comment", issue=key, text=f"comment {number}")
    site.control("clock", advance_seconds=60)
    sync()
    assert len(alive("comments")) == before + 25
    first = one(
        "select min(c.id::bigint) from raw.comments c join raw.issues i on i.id = c.issue_id where i.key = ?", key
    )
    site.control("delete_comment", comment=first)
    site.control("clock", advance_seconds=60)
    sync()
    assert str(first) not in alive("comments")
    assert len(alive("comments")) == before + 24


def test_a_link_is_one_row_from_either_end_and_is_marked_when_it_is_removed(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=23, issues=20, now=NOW)
    sync()
    source, target = [key for (key,) in held("select key from raw.issues where not is_subtask order by id limit 2")]
    before = alive("links")
    site.control("add_link", source=source, target=target)
    site.control("clock", advance_seconds=60)
    sync()
    (link,) = alive("links") - before
    ends = held(
        "select s.key, t.key from raw.links l join raw.issues s on s.id = l.source_issue_id "
        "join raw.issues t on t.id = l.target_issue_id where l.id = ?",
        link,
    )
    assert ends == [(source, target)]
    site.control("remove_link", issue=target, link=link)
    site.control("clock", advance_seconds=60)
    sync()
    assert alive("links") == before


def test_worklogs_are_added_edited_and_deleted_by_their_own_feed(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=24, issues=20, now=NOW)
    sync()
    key = some_key()
    before = alive("worklogs")
    worklog = site.control("add_worklog", issue=key, seconds=3600)
    site.control("clock", advance_seconds=180)
    sync()
    (new,) = alive("worklogs") - before
    site.control("edit_worklog", issue=key, worklog=int(new), seconds=7200)
    site.control("clock", advance_seconds=180)
    sync()
    assert one("select time_spent_seconds from raw.worklogs where id = ?", new) == 7200
    site.control("delete_worklog", worklog=int(new))
    site.control("clock", advance_seconds=180)
    sync()
    assert alive("worklogs") == before
    assert worklog


def test_worklogs_of_several_pages_are_stored_once(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page begins with the end of the one before, which a first load would write twice."""
    monkeypatch.setattr(platform, "WORKLOGS_PER_PAGE", 7)
    monkeypatch.setattr(source, "WORKLOG_BATCH", 7)
    site = sandbox(seed=24, issues=20, now=NOW)
    sync()
    assert one("select count(*) from raw.worklogs") == one("select count(distinct id) from raw.worklogs") > 7
    assert site.requests()["GET /rest/api/3/worklog/updated"] > 3


def test_a_page_of_worklogs_of_one_millisecond_is_not_the_end(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "WORKLOGS_PER_PAGE", 7)
    site = sandbox(seed=24, issues=20, now=NOW)
    store = site.world.store
    store.db.execute(
        "update worklogs set updated = (select max(updated) from worklogs where id < 30020) where id < 30020"
    )
    sync()
    assert alive("worklogs") == {str(i) for (i,) in store.db.execute("select id from worklogs")}


def test_short_pages_of_users_are_not_the_end(sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "USERS_PER_PAGE", 5)
    site = sandbox(seed=24, issues=20, now=NOW)
    sync()
    assert alive("users") == site.world.site.users.keys()


def test_a_sprint_that_was_deleted_is_marked(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=25, issues=20, now=NOW)
    sync()
    sprint = one("select id from raw.sprints where state = 'active' limit 1")
    site.control("delete_sprint", sprint=int(sprint))
    site.control("clock", advance_seconds=60)
    sync()
    assert one("select deleted_at from raw.sprints where id = ?", sprint) is not None


def test_the_next_sync_reads_a_sprint_that_was_completed(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=26, issues=20, now=NOW)
    sync()
    sprint = one("select id from raw.sprints where state = 'active' limit 1")
    site.control("clock", advance_seconds=3600)
    site.control("complete_sprint", sprint=int(sprint))
    site.control("clock", advance_seconds=60)
    sync()
    state, completed = held("select state, complete_at from raw.sprints where id = ?", sprint)[0]
    assert (state, completed is not None) == ("closed", True)


@pytest.mark.parametrize("verb", ["rename_field", pytest.param("remove_field", marks=pytest.mark.exhaustive)])
def test_a_lost_estimation_field_is_a_configuration_error_that_names_it(
    sandbox: SandboxFactory, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMPULSUM_REFERENCE_MINUTES", "0")
    site = sandbox(seed=27, issues=20, now=NOW)
    sync()
    before = alive("issues")
    arguments = {"name": "Size"} if verb == "rename_field" else {}
    site.control(verb, field=one("select id from raw.fields where name = 'Story Points'"), **arguments)
    with pytest.raises(ImpulsumError, match="'Story Points'") as failure:
        sync()
    assert failure.value.category is Category.CONFIGURATION
    assert alive("issues") == before


def test_every_row_has_its_site_sync_and_time(sandbox: SandboxFactory) -> None:
    site = sandbox(seed=28, issues=20, now=NOW)
    result = sync()
    for table in ("issues", "changes", "sprints", "fields"):
        assert held(f"select distinct site, sync_id, extracted_at from raw.{table}") == [
            (site.url.removeprefix("http://"), result.sync_id, result.watermark_to)
        ]


def test_a_document_that_does_not_fit_is_quarantined_and_the_rest_is_loaded(
    sandbox: SandboxFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox(seed=29, issues=20, now=NOW)
    original = client.JiraClient.users

    def users(self: client.JiraClient) -> Iterator[dict[str, Any]]:
        yield from original(self)
        yield {"displayName": "an account without an id", "active": 10**30}

    monkeypatch.setattr(client.JiraClient, "users", users)
    sync()
    assert held("select stream, reason from raw.quarantine") == [("users", "KeyError: 'accountId'")]
    assert len(alive("users")) > 3
