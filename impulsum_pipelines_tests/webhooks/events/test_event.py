"""The events of each vendor, in the form that all share."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.tiers import SOURCES
from impulsum_pipelines.webhooks.readers import readers, vocabulary
from impulsum_pipelines_tests.webhooks.sample_events import (
    ACTIVE_SPRINT,
    OCCURRED_MS,
    RECEIVED,
    event,
    github,
    issue,
    message,
    on_repository,
    pull,
)

OCCURRED = datetime.fromtimestamp(OCCURRED_MS / 1000, UTC)


def test_an_issue_with_what_changed() -> None:
    body = issue(changed={"status": ("To Do", "Blocked"), "Rank": ("", "Ranked higher")}, **ACTIVE_SPRINT)
    read = event("jira", body, {"X-Atlassian-Webhook-Identifier": "d-1"})
    assert (read.type, read.key, read.occurred_at, read.actor) == ("jira:issue_updated", "d-1", OCCURRED, "5cf")
    assert read.subjects == ("issue:ABC-1", "issue-id:10001")
    assert read.title == "ABC-1: The checkout"
    assert read.url == "https://acme.atlassian.net/browse/ABC-1"
    assert read.facts["changed_fields"] == ("status", "rank")
    assert read.facts["changes"][0] == "status: To Do -> Blocked"
    assert (read.facts["sprint_state"], read.facts["is_bot"], read.facts["priority"]) == ("active", False, "Medium")


def test_sprints_of_a_server_are_texts() -> None:
    sprint = "com.atlassian.greenhopper.service.sprint.Sprint@38c6[id=1,state=ACTIVE,name=One,goal=]"
    assert event("jira", issue(customfield_10104=[sprint])).facts["sprint_state"] == "active"


def test_an_unchanged_description_is_not_part_of_the_text() -> None:
    assert "old story" in event("jira", issue(description="an old story")).facts["text"]
    assert "text" not in event("jira", issue(changed={"labels": ("", "x")}, description="an old story")).facts


def test_a_comment_in_atlassians_document_format() -> None:
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": "see XYZ-9"}]}
    code = {"type": "codeBlock", "content": [{"type": "text", "text": "production is down"}]}
    body = {
        **issue(),
        "webhookEvent": "comment_created",
        "comment": {"body": {"type": "doc", "content": [paragraph, code]}},
    }
    read = event("jira", body)
    assert read.facts["text"] == "see XYZ-9"
    assert read.subjects == ("issue:ABC-1", "issue-id:10001", "issue:XYZ-9")


def test_a_deleted_comment_of_a_server_has_its_issue() -> None:
    comment = {"self": "http://jira.acme/rest/api/2/issue/10013/comment/10084"}
    assert event("jira", {"webhookEvent": "comment_deleted", "comment": comment}).subjects == ("issue-id:10013",)


@pytest.mark.parametrize(
    ("body", "subjects"),
    [
        ({"webhookEvent": "worklog_created", "worklog": {"issueId": "10001"}}, ("issue-id:10001",)),
        ({"webhookEvent": "sprint_started", "sprint": {"id": 7, "originBoardId": 3}}, ("sprint:7", "board:3")),
        (
            {"webhookEvent": "issuelink_created", "issueLink": {"sourceIssueId": 1, "destinationIssueId": 2}},
            ("issue-id:2", "issue-id:1"),
        ),
    ],
)
def test_subjects_without_an_issue(body: dict[str, Any], subjects: tuple[str, ...]) -> None:
    assert event("jira", body).subjects == subjects


def test_a_pull_request_with_the_issue_of_its_branch() -> None:
    read = github("pull_request", action="closed", pull_request=pull(branch="feature/abc-7-faster", merged=True))
    assert (read.type, read.key) == ("pull_request.closed", "pull_request-1")
    assert read.subjects[0] == "pull:acme/shop#12"
    assert read.subjects[-1] == "issue:ABC-7"
    assert read.facts["is_merged"] is True
    assert read.occurred_at == datetime(2026, 11, 2, 11, 56, tzinfo=UTC)


def test_a_comment_on_a_pull_request_is_about_the_pull_request() -> None:
    commented = {"number": 12, "title": "Faster", "pull_request": {"url": "…"}}
    read = github("issue_comment", action="created", issue=commented, comment={"body": "look at ABC-3"})
    assert read.subjects[0] == "pull:acme/shop#12"
    assert read.subjects[-1] == "issue:ABC-3"
    assert read.facts["text"] == "look at ABC-3"


def test_a_push_has_the_time_of_pushing_and_not_of_committing() -> None:
    body = on_repository(
        ref="refs/heads/main",
        commits=[{"message": "ABC-1 done", "timestamp": "2026-10-01T00:00:00Z"}],
        head_commit={"timestamp": "2026-10-01T00:00:00Z"},
    )
    body["repository"]["pushed_at"] = OCCURRED_MS // 1000
    read = event("github", body, {"x-github-event": "push"})
    assert (read.type, read.occurred_at) == ("push", OCCURRED)
    assert read.subjects == ("branch:acme/shop@main", "repository:acme/shop", "issue:ABC-1")
    assert read.facts["is_default_branch"] is True


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"pull_request": pull(), "review": {"state": "x"}, "action": "submitted"}, "pull_request_review.submitted"),
        ({"pull_request": pull(), "comment": {}, "action": "created"}, "pull_request_review_comment.created"),
        ({"issue": {"number": 1}, "comment": {"body": "x"}, "action": "created"}, "issue_comment.created"),
        ({"ref": "refs/heads/main", "commits": []}, "push"),
        ({"alert": {"number": 1, "secret_type": "x"}, "action": "created"}, "secret_scanning_alert.created"),
        ({"zen": "x"}, "unknown"),
    ],
)  # fmt: skip
def test_an_event_without_its_name_is_recognised_by_its_body(body: dict[str, Any], kind: str) -> None:
    assert event("github", on_repository(**body)).type == kind


@pytest.mark.parametrize(
    ("environment", "is_production"),
    [("production", True), ("prod-eu", True), ("Production / EU", True), ("pre-prod", False), ("nonprod", False),
     ("non-production", False), ("staging", False), ("products", False)],
)  # fmt: skip
def test_production_by_name(environment: str, is_production: bool) -> None:
    read = github("deployment_status", deployment={"environment": environment}, deployment_status={"state": "success"})
    assert read.facts["is_production"] is is_production


def test_a_reply_belongs_to_its_thread() -> None:
    read = event("slack", message("see <https://acme.atlassian.net/browse/ABC-1|ABC-1>", thread_ts="1793620000.000200"))
    assert (read.type, read.key) == ("message", "Ev1793620500.000100")
    assert read.subjects == ("thread:C1:1793620000.000200", "channel:C1", "issue:ABC-1")
    assert read.title == "see ABC-1"
    assert read.occurred_at == OCCURRED + timedelta(microseconds=100)


@pytest.mark.parametrize(
    "changed",
    [
        {"subtype": "message_changed", "message": {"ts": "1793620000.000200", "text": "b"}, "ts": "1793620500.000100"},
        {"subtype": "message_deleted", "previous_message": {"ts": "1793620000.000200"}, "ts": "1793620500.000100"},
        {"subtype": "message_deleted", "deleted_ts": "1793620000.000200", "ts": "1793620500.000100"},
        {"type": "reaction_added", "item": {"channel": "C1", "ts": "1793620000.000200"}, "channel": None, "ts": None},
    ],
)
def test_an_edit_is_about_its_message_and_not_about_itself(changed: dict[str, Any]) -> None:
    body = message("")
    body["event"] = {**body["event"], **changed}
    assert event("slack", body).subjects == ("thread:C1:1793620000.000200", "channel:C1")


def test_an_edit_that_keeps_the_text_has_no_text() -> None:
    def edited(text: str) -> dict[str, Any]:
        before = {"ts": "1793620000.000200", "text": "a"}
        return message("", subtype="message_changed", message={**before, "text": text}, previous_message=before)

    kept, changed = event("slack", edited("a")), event("slack", edited("b"))
    assert (kept.facts["is_text_changed"], "text" in kept.facts) == (False, False)
    assert (changed.facts["is_text_changed"], changed.facts["text"]) == (True, "b")


def test_a_private_message_is_not_shown_in_the_title() -> None:
    read = event("slack", message("my salary", channel_type="im"))
    assert read.title == "A message in a private conversation"


def test_links_to_pull_requests_threads_and_pages_are_subjects() -> None:
    text = (
        "<https://github.com/acme/shop/pull/12/files> <https://acme.slack.com/archives/C9/p1793620000000200> "
        "<https://www.notion.so/acme/Plan-153104cd477e809d8dc4ff2d96ae3090>"
    )
    assert event("slack", message(text)).subjects[2:] == (
        "pull:acme/shop#12",
        "thread:C9:1793620000.000200",
        "page:153104cd-477e-809d-8dc4-ff2d96ae3090",
    )


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ABC-1, then XY2-34_fix", ("issue:ABC-1", "issue:XY2-34")),
        ("UTF-8 with SHA-256 by CVE-2026-1234 in Q3-2026", ()),
        ("feature/abc-12-title", ("issue:ABC-12",)),
        ("patch-1", ()),
        ("not abc-12 in a sentence", ()),
        ("ABC-0 and xABC-1 and ABC-1x", ()),
    ],
)
def test_issue_keys_in_texts(text: str, keys: tuple[str, ...]) -> None:
    assert event("slack", message(text)).subjects[2:] == keys


def test_a_meeting_in_both_versions() -> None:
    first = event("fireflies", {"meetingId": "m1", "eventType": "Transcription completed"})
    second = event("fireflies", {"event": "meeting.transcribed", "meeting_id": "m1", "timestamp": OCCURRED_MS})
    assert first.type == second.type == "meeting.transcribed"
    assert first.subjects == second.subjects == ("meeting:m1",)
    assert (first.occurred_at, second.occurred_at) == (RECEIVED, OCCURRED)
    assert first.key.startswith("sha256:")


def test_a_page_and_a_comment_on_it() -> None:
    page = "153104cd-477e-809d-8dc4-ff2d96ae3090"
    author = [{"id": "u1", "type": "person"}]
    parent = {"id": "0ef104cd-477e-80e1-8571-cfd10e92339a", "type": "page"}
    updated = {"id": "e1", "type": "page.content_updated", "timestamp": "2026-11-02T11:55:00.000Z", "authors": author}
    read = event("notion", {**updated, "entity": {"id": page, "type": "page"}, "data": {"parent": parent}})
    assert (read.key, read.actor, read.subjects) == ("e1", "u1", (f"page:{page}", f"page:{parent['id']}"))
    commented = event(
        "notion", {"type": "comment.created", "entity": {"id": "c1", "type": "comment"}, "data": {"page_id": page}}
    )
    assert commented.subjects == (f"page:{page}",)


def test_a_worklog_names_its_issue_by_id() -> None:
    payload = {
        "tempoWorklogId": 37,
        "issue": {"id": 10001},
        "timeSpentSeconds": 5400,
        "author": {"accountId": "a"},
        "updater": {"accountId": "b"},
        "updatedAt": "2026-11-02T11:55:00.000Z",
    }
    read = event("tempo", {"eventId": "t1", "eventType": "worklog.updated", "payload": payload})
    assert (read.key, read.subjects, read.actor) == ("t1", ("worklog:37", "issue-id:10001"), "b")
    assert (read.facts["hours"], read.facts["is_by_other"]) == (1.5, True)
    deleted = {"eventType": "worklog.deleted", "payload": payload}
    assert event("tempo", deleted).occurred_at == RECEIVED
    assert event("tempo", deleted, {"Tempo-Timestamp": "2026-11-02T11:59:00.000Z"}).occurred_at.minute == 59


def test_the_delivery_id_of_the_producer_comes_first_and_a_hash_last() -> None:
    body = issue()
    assert event("jira", body, {"X-Atlassian-Webhook-Identifier": "d-1"}, delivery="given").key == "given"
    assert event("jira", body).key == event("jira", body).key
    assert event("jira", body).key.startswith("sha256:")
    assert event("jira", body).key != event("jira", issue("ABC-2")).key
    assert len(event("jira", body, delivery="x" * 10_000).key) < 100


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (RECEIVED + timedelta(minutes=4), RECEIVED + timedelta(minutes=4)),
        (RECEIVED + timedelta(minutes=6), RECEIVED),
        (RECEIVED - timedelta(days=400), RECEIVED - timedelta(days=400)),
        (datetime(1970, 1, 1, 1, tzinfo=UTC), RECEIVED),
    ],
)
def test_only_plausible_times_are_used(given: datetime, used: datetime) -> None:
    body = {"event": "meeting.transcribed", "meeting_id": "m1", "timestamp": given.isoformat()}
    assert event("fireflies", body).occurred_at == used


def test_the_same_event_under_another_delivery_id_has_the_same_content() -> None:
    again = {**issue(), "timestamp": OCCURRED_MS + 900}
    assert event("jira", issue(), delivery="1").content == event("jira", again, delivery="2").content
    assert event("jira", issue()).content != event("jira", issue(summary="Other")).content


def test_a_form_with_json_is_read_as_that_json() -> None:
    body = on_repository(action="opened", pull_request=pull())
    form = urlencode({"payload": json.dumps(body)}).encode()
    headers = {"X-GitHub-Event": "pull_request", "Content-Type": "application/x-www-form-urlencoded"}
    assert event("github", form, headers).type == "pull_request.opened"


@pytest.mark.parametrize(
    ("source", "body", "reason"),
    [
        ("slack", b"token=x&command=%2Fstatus&text=now", "not JSON"),
        ("slack", b"payload=", "a form without JSON"),
        ("slack", json.dumps({"type": "url_verification", "challenge": "c"}).encode(), "handshake"),
        ("notion", json.dumps({"verification_token": "secret_x"}).encode(), "handshake"),
        ("jira", b"", "empty"),
        ("jira", b'{"issue": ', "not JSON"),
        ("jira", b"[1]", "a list"),
        ("jira", b"null", "null"),
        ("jira", b'{"a": "\xff"}', "not JSON"),
        ("jira", b'{"a":' * 5000 + b"1" + b"}" * 5000, "not JSON"),
        ("jira", b'{"a":' * 101 + b"1" + b"}" * 101, "nested deeper than 100 levels"),
        ("jira", b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper than 100 levels"),
        ("linear", b"{}", "unknown"),
    ],
)
def test_a_body_that_is_no_event_is_rejected_with_the_reason(source: str, body: bytes, reason: str) -> None:
    with pytest.raises(ImpulsumError, match=reason) as caught:
        event(source, body)
    assert caught.value.category is Category.BAD_DATA
    assert "secret_x" not in str(caught.value)


def test_a_body_may_be_nested_as_deep_as_any_vendor_does() -> None:
    assert event("jira", b'{"a":' * 100 + b"1" + b"}" * 100).type == "unknown"
    assert event("jira", b'{"a": [' + b'{"a": []},' * 5_000 + b"1]}").type == "unknown"


def test_the_body_is_stored_as_it_came_except_for_secrets() -> None:
    body = message('my "token": "not a field" is ü')
    token, address = json.dumps('Zm9v"yB'), '"https://hooks.slack.com/actions/T/1/x"'
    raw = json.dumps({"token": json.loads(token), "response_url": json.loads(address), **body}, indent=1)
    assert event("slack", raw.encode()).body == raw.replace(token, '"***"').replace(address, '"***"')
    hook = {"config": {"secret": "s3cret", "url": "u"}, "app": {"sharedSecret": "s3cret"}, "code_token": 77123}
    assert "s3cret" not in (kept := event("github", hook).body)
    assert json.loads(kept)["code_token"] == "***"
    form = urlencode({"payload": raw}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert event("slack", form, headers).body == event("slack", raw.encode()).body


def test_a_slash_command_is_rejected_as_such() -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(ImpulsumError, match="commands are not supported"):
        event("slack", b"token=x&command=%2Fstatus&text=now", headers)


def test_huge_values_are_cut() -> None:
    read = event("slack", message("production " * 100_000))
    assert read.title and len(read.title) == 300
    assert len(read.facts["text"]) <= 20_000
    many = event("slack", message(" ".join(f"ABC-{number}" for number in range(1, 5000))))
    assert len(many.subjects) == 50


@pytest.mark.parametrize("url", ["javascript:alert(1)", "https://a b", "https://x/" + "y" * 5000])
def test_an_unsafe_address_is_no_link(url: str) -> None:
    assert github("pull_request", action="opened", pull_request=pull(html_url=url)).url is None


def test_every_source_has_a_reader() -> None:
    assert list(readers()) == [source.name for source in SOURCES]
    assert {"text", "priority", "is_production", "bot_name", "hours", "changed_blocks", "reference"} <= set(
        vocabulary()
    )
