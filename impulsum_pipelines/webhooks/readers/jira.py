"""Jira's webhooks: issues with what changed, comments, worklogs, links, sprints, projects.

The body of an issue is its state now; ``changelog.items`` lists what this event changed. Bodies of Jira Server and of
automation rules leave out much: the name of the event, the user, the issue of a deleted comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import MAX_ELEMENTS, Document

FACTS = {
    "assignee": "account id of the assignee",
    "changes": "what this event changed, each as 'status: To Do -> Done'",
    "due_at": "the issue's due date",
    "is_flagged": "whether the issue carries a flag (Impediment)",
    "is_reopened": "whether this event removed the resolution",
    "issue_event": "Jira's more precise name of the event: issue_assigned, issue_commented",
    "issue_type": "the issue's type",
    "link_type": "the kind of link: Blocks, Duplicate",
    "priority": "the issue's priority",
    "project": "key of the issue's project",
    "resolution": "the issue's resolution",
    "sprint_state": "state of the sprint, or of the issue's most current sprint: active, future or closed",
    "status": "the issue's status",
    "status_category": "new, indeterminate or done",
}

#: Fields whose change can make an issue done.
_ENDING = ("status", "resolution")

_KEY = re.compile(r"(?<![A-Za-z0-9])[A-Z][A-Z0-9]{1,19}-[1-9][0-9]{0,9}(?![A-Za-z0-9])")
#: In the name of a branch a key may be lower-case, at the start of a section: feature/abc-12-title.
_SMALL_KEY = re.compile(r"(?:^|(?<=/))[a-z][a-z0-9]{1,19}-[1-9][0-9]{0,9}(?=[-_/]|$)")
#: Words that look like a key and are none: events are read without the list of projects.
_STANDARDS_AND_BRANCHES = """
    AES AMD API ARM AWS BASE BUGFIX BUILD CHORE CI COVID CSS CVE CWE DOCS EC ECMA EN EPIC ES FEAT FEATURE FIX GH GHSA
    GPT H2 HOTFIX HTML HTTP HTTPS IE IEC IEEE IPV ISO ISSUE JAVA JDK MD MP MR NODE PART PATCH PEP PHASE PHP PR PY PYTHON
    Q1 Q2 Q3 Q4 RC REFACTOR REL RELEASE REV REVERT RFC RSA RUBY SEV SHA SPRINT SSL STEP TASK TEST TLS TOP UPDATE UTC UTF
    VERSION WEEK WIN WIP
"""
_NO_PROJECT = frozenset(_STANDARDS_AND_BRANCHES.split())
_SPRINT_STATE = re.compile(r"\bstate=(ACTIVE|FUTURE|CLOSED)\b")
_CURRENT_FIRST = ("active", "future", "closed")
_AUTOMATION = re.compile(r"^automation for jira$|\bbot$", re.IGNORECASE)


def _find_subjects(text: str) -> Iterator[str]:
    """Issue keys in a text, by the same rules as ``core.work_links``: an underscore ends a key."""
    spaced = text.replace("_", " ")
    small = (match.upper() for match in _SMALL_KEY.findall(text)) if " " not in text else ()
    for key in (*_KEY.findall(spaced), *small):
        if key.split("-")[0] not in _NO_PROJECT:
            yield f"issue:{key}"


def _parse(body: Document, _headers: Mapping[str, str]) -> ParsedBody:
    # An automation rule may send the issue as the whole body.
    issue = body.child("issue") or (body if "fields" in body and "key" in body else Document(None))
    comment, worklog, sprint = body.child("comment"), body.child("worklog"), body.child("sprint")
    kind = body.text("webhookEvent") or body.text("issue_event_type_name") or ("issue" if issue else "unknown")
    key, summary = issue.text("key"), issue.text("fields", "summary")
    items = body.children("changelog", "items")
    text = _plain(comment.value("body")) or _plain(worklog.value("comment")) or _written(kind, issue, items)
    user = (
        body.child("user") or comment.child("updateAuthor") or comment.child("author") or worklog.child("updateAuthor")
    )
    return ParsedBody(
        type=kind,
        occurred_at=body.timestamp("timestamp"),
        subjects=(
            key and f"issue:{key}",
            *(f"issue-id:{number}" for number in _issue_ids(body, issue)),
            *_named(sprint, "sprint"),
            sprint.text("originBoardId") and f"board:{sprint.text('originBoardId')}",
            *_named(body.child("board"), "board"),
            *_named(body.child("version"), "version"),
            *_named(body.child("project"), "project", "key"),
        ),
        title=_title(kind, key, summary, body),
        url=_url(issue, key),
        actor=user.text("accountId") or user.text("key") or user.text("name"),
        facts={
            **_state(issue, sprint),
            "changed_fields": tuple(name.lower() for item in items if (name := item.text("field"))),
            "changes": tuple(_change(item) for item in items),
            "is_bot": user.text("accountType") == "app" or bool(_AUTOMATION.search(user.text("displayName") or "")),
            "is_over": issue.text("fields", "status", "statusCategory", "key") == "done"
            and any((item.text("field") or "").lower() in _ENDING for item in items),
            "is_reopened": any(_removes_resolution(item) for item in items),
            "issue_event": body.text("issue_event_type_name"),
            "link_type": body.text("issueLink", "issueLinkType", "name"),
            "text": text,
        },
        texts=(summary, text),
    )


def _state(issue: Document, sprint: Document) -> dict[str, Any]:
    fields = issue.child("fields")
    states = _sprint_states(fields) if not sprint else {(sprint.text("state") or "").lower()}
    return {
        "assignee": fields.text("assignee", "accountId") or fields.text("assignee", "name"),
        "created_at": fields.timestamp("created"),
        "due_at": fields.timestamp("duedate"),
        "is_flagged": any(
            option.text("value") == "Impediment" for name in fields.names() for option in fields.children(name)
        ),
        "issue_type": fields.text("issuetype", "name"),
        "labels": fields.texts("labels"),
        "priority": fields.text("priority", "name"),
        "project": fields.text("project", "key"),
        "resolution": fields.text("resolution", "name"),
        "sprint_state": next((state for state in _CURRENT_FIRST if state in states), None),
        "status": fields.text("status", "name"),
        "status_category": fields.text("status", "statusCategory", "key"),
    }


def _sprint_states(fields: Document) -> set[str]:
    """The states of an issue's sprints. Their field is recognised by its content: its number differs per site."""
    found = {
        (sprint.text("state") or "").lower()
        for name in fields.names()
        for sprint in fields.children(name)
        if "state" in sprint and ("boardId" in sprint or "originBoardId" in sprint)
    }
    for name in fields.names():
        # Jira Server writes a sprint as text: …Sprint@38c6bd04[id=1,state=ACTIVE,…]
        found |= {match[1].lower() for word in fields.texts(name) if (match := _SPRINT_STATE.search(word))}
    return found


def _issue_ids(body: Document, issue: Document) -> Iterator[str]:
    """The ids of issues: bodies without a key have them, and they stay the same when an issue moves."""
    link = body.child("issueLink")
    given = (
        issue.text("id"),
        body.text("worklog", "issueId"),
        link.text("destinationIssueId"),
        link.text("sourceIssueId"),
    )
    yield from filter(None, given)
    if not any(given) and (address := body.text("comment", "self")):
        yield from re.findall(r"/issue/(\d{1,20})/comment/", address)


def _named(part: Document, kind: str, name: str = "id") -> Iterator[str]:
    if identity := part.text(name):
        yield f"{kind}:{identity}"


def _written(kind: str, issue: Document, items: list[Document]) -> str | None:
    """The text that is new in this event; an unchanged description does not count."""
    if kind.endswith("issue_created"):
        written = [issue.text("fields", "summary"), _plain(issue.value("fields", "description"))]
    else:
        written = [item.text("toString") for item in items if item.text("field") in {"summary", "description"}]
    return "\n".join(filter(None, written)) or None


def _plain(value: object) -> str | None:
    """A text, or the text of a document in Atlassian's format, without code and quotations."""
    if isinstance(value, str):
        return Document({"text": value}).text("text")
    words: list[str] = []
    waiting = [value]
    while waiting and len(words) < MAX_ELEMENTS:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(reversed(node[:MAX_ELEMENTS]))
        elif isinstance(node, dict) and node.get("type") not in {"blockquote", "codeBlock"}:
            words.extend(filter(None, [Document(node).text("text")]))
            waiting.append(node.get("content"))
    return " ".join(words) or None


def _change(item: Document) -> str:
    return " ".join(
        f"{item.text('field')}: {item.text('fromString') or 'none'} -> {item.text('toString') or 'none'}"[:200].split()
    )


def _removes_resolution(item: Document) -> bool:
    return item.text("field") == "resolution" and bool(item.text("fromString")) and not item.text("toString")


def _title(kind: str, key: str | None, summary: str | None, body: Document) -> str | None:
    if key:
        return f"{key}: {summary}" if summary else key
    happened = kind.removeprefix("jira:").replace("_", " ")
    name = next((name for part in ("sprint", "version", "project", "board") if (name := body.text(part, "name"))), None)
    return f"{happened}: {name}" if name else happened


def _url(issue: Document, key: str | None) -> str | None:
    site, found, _ = (issue.text("self") or "").partition("/rest/")
    return f"{site}/browse/{key}" if found and key else None


def _project(subjects: Sequence[str]) -> str | None:
    key = next((subject for subject in subjects if subject.startswith("issue:")), "")
    return key.removeprefix("issue:").rpartition("-")[0] or None


READER = Reader(
    parse=_parse,
    facts=FACTS,
    volatile=frozenset({"timestamp", "matchedWebhookIds"}),
    find_subjects=_find_subjects,
    pulled_kinds=(
        PulledKind(
            "issue-id",
            "issues",
            subject="row.id",
            name="row.key",
            scope="row.project_key",
            changed_at="row.updated_at",
            changed_by=frozenset({"jira:issue_created", "jira:issue_updated", "comment_created", "worklog_created"}),
            deleted_by=frozenset({"jira:issue_deleted"}),
            scope_of=_project,
        ),
    ),
)
