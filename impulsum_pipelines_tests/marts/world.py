"""A small firm, written directly into raw files: its people, links between tools, and private text."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.loading.raw import ensure_tables, insert_row
from impulsum_pipelines.sources.registry import tables
from impulsum_pipelines.tiers import SOURCES

Rows = dict[str, dict[str, list[dict[str, Any]]]]

#: Is in every private text; only the restricted tables may show it.
SECRET = "hush-hush"

PEOPLE_CSV = """\
# which person has which account?
tool,account,person
github,night-owl,olga@firm.test
fireflies,Olga from home,olga@firm.test
github,typed@nowhere.test,ann@firm.test
slack,UANN,olga@firm.test
"""


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """An instant of March 2026 (UTC); the second is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


READ = {"site": "firm.test", "sync_id": "s1", "extracted_at": at(30)}


def write_raw(root: Path, rows: Rows, censuses: dict[str, list[dict[str, Any]]]) -> None:
    """Write the raw files of a home, with all tables, these rows, and these rows of ``census``."""
    home = Home(root)
    for source in SOURCES:
        ensure_tables(home, source.name)
        declared = {table.name: table for table in tables(source.name)}
        with home.write_raw(source.name) as raw:
            for name, given in rows.get(source.name, {}).items():
                incoming = pa.Table.from_pylist([READ | row for row in given], schema=declared[name].schema)
                raw.register("incoming", incoming)
                raw.execute(f"insert into raw.{name} by name select * from incoming")
                raw.unregister("incoming")
            for count in censuses.get(source.name, ()):
                insert_row(raw, "census", count)


def issue(id: str, key: str, **more: Any) -> dict[str, Any]:
    """A Jira issue."""
    return {
        "id": id, "key": key, "project_id": "10", "project_key": key.split("-", maxsplit=1)[0], "issue_type": "Story",
        "summary": f"Work {id}", "status_id": "1", "status_name": "To Do", "status_category": "new",
        "created_at": at(2), "updated_at": at(3), "sprint_ids": "[]", "estimates": "{}", "change_total": 0,
    } | more  # fmt: skip


def user(id: str, name: str, email: str | None, kind: str = "atlassian") -> dict[str, Any]:
    """An Atlassian account; many hide their address."""
    return {"id": id, "display_name": name, "email": email, "account_type": kind, "is_active": True}


def pull(number: int, author: str, **more: Any) -> dict[str, Any]:
    """A pull request of repository 7, opened on the third at nine; ``body`` goes into its document."""
    document = {"body": more.pop("body", None), "html_url": f"https://code.test/firm/app/pull/{number}"}
    return {
        "id": f"9{number}", "repository_id": "7", "number": number, "title": f"Change {number}", "author": author,
        "is_bot": False, "state": "open", "is_draft": False, "created_at": at(3), "updated_at": at(3),
        "head_ref": f"change-{number}", "base_ref": "main", "additions": 10, "deletions": 2, "comment_total": 0,
        "review_comment_total": 0, "commit_shas": "[]", "labels": "[]", "requested_reviewers": "[]",
        "payload": json.dumps(document),
    } | more  # fmt: skip


def commit(sha: str, author: str | None, written: datetime, email: str | None = None, **more: Any) -> dict[str, Any]:
    """A commit of repository 7."""
    return {
        "id": f"7:{sha}", "repository_id": "7", "sha": sha, "message": "work", "author": author,
        "author_name": author or "somebody", "author_email": email, "authored_at": written, "committed_at": written,
        "is_merge": False,
    } | more  # fmt: skip


def review(id: str, number: int, author: str, when: datetime, state: str, kind: str = "User") -> dict[str, Any]:
    """A review of a pull request."""
    return {
        "id": id, "repository_id": "7", "pull_request_id": f"9{number}", "pull_request_number": number,
        "author": author, "state": state, "submitted_at": when, "payload": json.dumps({"user": {"type": kind}}),
    }  # fmt: skip


def message(ts: str, text: str, **more: Any) -> dict[str, Any]:
    """A message in the open channel."""
    return {
        "id": f"{more.get('channel_id', 'C1')}:{ts}", "channel_id": "C1", "ts": ts, "user_id": "UANN", "text": text,
        "channel_type": "public_channel", "is_private": False, "is_reply": False, "posted_at": at(4),
    } | more  # fmt: skip


def member(id: str, name: str, email: str, *, is_bot: bool = False) -> dict[str, Any]:
    """An account of the workspace."""
    return {"id": id, "name": name.lower(), "real_name": name, "email": email, "is_active": True, "is_bot": is_bot}


def meeting(id: str, title: str, **more: Any) -> dict[str, Any]:
    """A finished meeting that teammates may see."""
    return {
        "id": id, "title": title, "started_at": at(5), "duration_minutes": 30.0, "organizer_email": "ann@firm.test",
        "privacy": "teammates", "is_private": False, "is_live": False, "sentence_total": 1,
        "transcript_url": f"https://meet.test/{id}",
    } | more  # fmt: skip


def page(digit: str, title: str, **more: Any) -> dict[str, Any]:
    """A page at the top of the workspace, its id 32 times one digit."""
    return {
        "id": notion_id(digit), "title": title, "parent_type": "workspace", "url": f"https://notes.test/{digit * 32}",
        "is_public": False, "in_trash": False, "created_at": at(6), "updated_at": at(6), "created_by_id": "n-ann",
        "properties": "{}",
    } | more  # fmt: skip


def notion_id(digit: str) -> str:
    """An id as Notion writes it."""
    return "-".join(digit * length for length in (8, 4, 4, 4, 12))


def hours(id: str, issue_id: str, author: str, seconds: int, day: int) -> dict[str, Any]:
    """A worklog of Tempo."""
    return {
        "id": id, "issue_id": issue_id, "author_id": author, "start_date": date(2026, 3, day),
        "work_month": "2026-03", "time_spent_seconds": seconds, "billable_seconds": seconds // 2,
        "created_at": at(day, 18), "updated_at": at(day, 18),
    }  # fmt: skip


def _jira() -> dict[str, list[dict[str, Any]]]:
    moved = {"id": "77", "items": [{"field": "Key", "fromString": "OLD-5", "toString": "APP-3"}]}
    return {
        "issues": [
            issue("1", "APP-1"),
            issue("2", "APP-2"),
            issue("3", "APP-3", updated_at=at(8)),
            issue("12", "APP-12"),
            issue("13", "APP-13", deleted_at=at(9)),
        ],
        "changes": [
            {"id": "77", "issue_id": "3", "author_id": "j-ann", "created_at": at(8), "payload": json.dumps(moved)}
        ],
        "users": [
            user("j-ann", "Ann", "Ann@Firm.test"),
            user("j-olga", "Olga", "olga@firm.test"),
            user("j-sam", "Sam", None),
            user("j-robot", "Automation", None, kind="app"),
        ],
        "worklogs": [
            {"id": "501", "issue_id": "1", "author_id": "j-ann", "time_spent_seconds": 7200,
             "started_at": at(4, 23, 30), "created_at": at(5), "updated_at": at(5)},
            {"id": "502", "issue_id": "2", "author_id": "j-sam", "time_spent_seconds": 3600, "started_at": at(4),
             "created_at": at(5), "updated_at": at(5)},
            # Jira does not report worklogs that were deleted with their issue
            {"id": "503", "issue_id": "13", "author_id": "j-sam", "time_spent_seconds": 1800, "started_at": at(4),
             "created_at": at(5), "updated_at": at(5)},
        ],
    }  # fmt: skip


def _github() -> dict[str, list[dict[str, Any]]]:
    bot = json.dumps({"user": {"type": "Bot"}})
    return {
        "repositories": [{"id": "7", "owner": "firm", "name": "app", "full_name": "firm/app", "is_private": True}],
        "pull_requests": [
            # written from Monday noon, opened on Tuesday at 9, merged on Wednesday at 15, in production on Thursday
            pull(1, "ann-codes", head_ref="feature/app-1_login", state="closed", merged_at=at(4, 15),
                 closed_at=at(4, 15),
                 merge_commit_sha="m1", commit_shas='["c1", "c2", "c0"]', body="See APP-2, not UTF-8 or APP-999."),
            pull(2, "night-owl", title="APP-12: tidy", is_draft=True),
            pull(3, "helper[bot]", is_bot=True, body="OLD-5 again, and APP-3."),
            # every comment is by its author or a bot, or came after the merge
            pull(4, "ann-codes", state="closed", merged_at=at(3, 12), closed_at=at(3, 12), merge_commit_sha="m4"),
            pull(5, "ann-codes", title="APP-1 gone", deleted_at=at(9)),
        ],
        "commits": [
            commit("c0", "ann-codes", at(1), "ann@firm.test", is_merge=True),
            commit("c1", "ann-codes", at(2, 12), "ann@firm.test",
                   message="APP-1 begin\n\nAPP-1,APP-2 and more of APP-1"),
            commit("c2", "ann-codes", at(2, 14), "ann@home.test"),
            commit("m1", "ann-codes", at(4, 15), "7+ann-codes@users.noreply.github.com"),
            commit("n1", "night-owl", at(5), "owl@night.test"),
            commit("t1", None, at(5), "typed@nowhere.test"),
            commit("t2", None, at(5), "olga@firm.test"),
            # she first gave git her login as address, and later her address
            commit("k1", None, at(5), "kim"),
            commit("k2", "kim", at(6), "kim@firm.test"),
            commit("old", "ann-codes", at(1), "ann@firm.test"),
            commit("d1", "ann-codes", at(4, 16), "ann@firm.test"),
        ],
        "reviews": [
            review("r1", 1, "helper[bot]", at(3, 9, 5), "COMMENTED", "Bot"),
            review("r2", 1, "ann-codes", at(3, 10), "COMMENTED"),
            review("r3", 1, "night-owl", at(4, 9), "CHANGES_REQUESTED"),
            review("r4", 1, "night-owl", at(4, 14), "APPROVED"),
            review("r5", 2, "ann-codes", at(3, 11), "COMMENTED"),
            review("r6", 4, "night-owl", at(5), "COMMENTED"),
        ],
        "issue_comments": [
            {"id": "i1", "repository_id": "7", "issue_number": 1, "is_on_pull_request": True, "author": "night-owl",
             "body": "is this APP-2?", "created_at": at(3, 13), "updated_at": at(3, 13)},
            {"id": "i2", "repository_id": "7", "issue_number": 4, "is_on_pull_request": True, "author": "ci-app",
             "body": "built", "created_at": at(3, 10), "updated_at": at(3, 10), "payload": bot},
        ],
        "deployments": [
            # staging first, then a rollback to an old commit, then the change itself
            {"id": "d1", "repository_id": "7", "sha": "m1", "environment": "staging", "created_at": at(4, 16)},
            {"id": "d2", "repository_id": "7", "sha": "old", "environment": "production", "created_at": at(5, 8)},
            {"id": "d3", "repository_id": "7", "sha": "d1", "environment": "production", "created_at": at(5, 9)},
        ],
        "deployment_statuses": [
            {"id": f"{deployment}{state}", "repository_id": "7", "deployment_id": deployment, "state": state,
             "created_at": when}
            for deployment, state, when in (
                ("d1", "success", at(4, 17)), ("d2", "success", at(5, 8, 30)), ("d3", "failure", at(5, 9, 30)),
                ("d3", "success", at(5, 15)), ("d3", "inactive", at(6)),
            )
        ],
    }  # fmt: skip


def _slack() -> dict[str, list[dict[str, Any]]]:
    return {
        "channels": [
            {"id": "C1", "name": "open", "type": "public_channel", "is_private": False, "is_member": True},
            {"id": "C2", "name": f"{SECRET}-channel", "type": "private_channel", "is_private": True, "is_member": True},
        ],
        "users": [
            member("UANN", "Ann", "ann@firm.test"),
            # The same name as somebody else, another address: another person.
            member("USAM", "Sam", "sam@firm.test"),
            member("UBOT", "Bot", "ann@firm.test", is_bot=True),
        ],
        "messages": [
            message("1.1", "APP-1 is on fire: <https://firm.test/browse/APP-2|APP-2>"),
            message("1.2", "me too, app-12", thread_ts="1.1", is_reply=True, user_id="USAM"),
            message("1.3", "about OLD-5", deleted_at=at(9)),
            message("2.1", f"{SECRET} APP-1", channel_id="C2", channel_type="private_channel", is_private=True),
            # read while the channel was still open
            message("2.2", f"{SECRET} too", channel_id="C2"),
        ],
    }  # fmt: skip


def _fireflies() -> dict[str, list[dict[str, Any]]]:
    return {
        "transcripts": [
            meeting("t1", "APP-1 planning", overview="About APP-1."),
            meeting("t2", f"{SECRET} title", privacy="owner", is_private=True, overview=f"{SECRET} summary",
                    keywords=json.dumps([SECRET]), transcript_url=f"https://meet.test/{SECRET}"),
            meeting("t3", f"{SECRET} unsaid", privacy=None, is_private=None),
        ],
        "sentences": [
            {"id": "t1:0", "transcript_id": "t1", "index": 0, "speaker": "Olga from home", "text": "APP-12 waits",
             "start_seconds": 60.5, "end_seconds": 63.0},
            {"id": "t1:1", "transcript_id": "t1", "index": 1, "speaker": "sales@firm.test", "text": "so do we"},
            {"id": "t2:0", "transcript_id": "t2", "index": 0, "speaker": "Ann", "text": f"{SECRET} APP-2"},
        ],
        "attendees": [
            {"id": "t1:ann@firm.test", "transcript_id": "t1", "email": "ann@firm.test", "name": "Ann"},
            {"id": "t1:Sam", "transcript_id": "t1", "name": "Sam"},
            {"id": "t1:sales@firm.test", "transcript_id": "t1", "email": "sales@firm.test"},
        ],
        "action_items": [
            {"id": "t1:0", "transcript_id": "t1", "number": 0, "person": "Olga from home", "text": "finish APP-12"},
            {"id": "t2:0", "transcript_id": "t2", "number": 0, "person": "Ann", "text": f"{SECRET} item"},
        ],
    }  # fmt: skip


def _notion() -> dict[str, list[dict[str, Any]]]:
    entry = {"parent_type": "data_source_id", "parent_id": notion_id("d"), "data_source_id": notion_id("d"),
            "database_id": notion_id("b")}  # fmt: skip
    return {
        "users": [{"id": "n-ann", "name": "Ann", "type": "person", "email": "ann@firm.test"}],
        "data_sources": [
            {"id": notion_id("d"), "title": f"{SECRET} table", "database_id": notion_id("b"), "parent_type": "block_id",
             "parent_id": notion_id("c")},
        ],
        "pages": [
            page("1", "Plan of APP-1", properties=json.dumps({"Issue": "APP-2"})),
            page("2", f"{SECRET} root"),
            page("3", f"{SECRET} below", parent_type="page_id", parent_id=notion_id("2")),
            page("4", f"{SECRET} entry", properties=json.dumps({"Note": SECRET}), **entry),
        ],
        "blocks": [
            {"id": "block-1", "page_id": notion_id("1"), "type": "paragraph", "text": "needs APP-12", "position": 0,
             "created_by_id": "n-ann", "created_at": at(6)},
            # the database lies in a block of the page below the root
            {"id": notion_id("c"), "page_id": notion_id("3"), "type": "child_database", "text": SECRET, "position": 0,
             "created_by_id": "n-ann", "created_at": at(6)},
        ],
    }  # fmt: skip


def _tempo() -> dict[str, list[dict[str, Any]]]:
    return {
        "worklogs": [
            hours("601", "1", "j-ann", 7200, 4),
            hours("602", "1", "j-ann", 1800, 6),
            hours("603", "1", "j-ghost", 900, 6),
            hours("604", "12", "j-sam", 3600, 6) | {"deleted_at": at(9)},
        ]
    }


def _counted(scope: str, name: str, entity: str, at_source: int) -> dict[str, Any]:
    """A row of ``census``."""
    return {
        "sync_id": "s1", "taken_at": at(30), "entity": entity, "scope_id": scope, "scope_name": name,
        "at_source": at_source, "held": 2, "missing": 0, "deleted": 0, "unreachable": 0,
    }  # fmt: skip


#: Rows of ``census`` by source.
CENSUSES = {
    "slack": [_counted("C1", "open", "messages", 2), _counted("C2", f"{SECRET}-channel", "messages", 2)],
    "notion": [_counted(notion_id("d"), f"{SECRET} table", "pages", 1)],
    "github": [_counted("7", "firm/app", "pull_requests", 5)],
}


def firm() -> Rows:
    """Every row of the firm, by source and table."""
    return {
        "jira": _jira(), "github": _github(), "slack": _slack(), "fireflies": _fireflies(), "notion": _notion(),
        "tempo": _tempo(),
    }  # fmt: skip
