"""An issue, and the changes that people make to it, each with the changelog items that Jira writes for it.

A function that edits changes the issue and returns the items of the history; an edit that changes nothing returns no
items. As in Jira, values that are set when an issue is created leave no history.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from impulsum_pipelines.sandbox.jira.site import (
    API,
    EPIC_LINK_FIELD,
    SPRINT_FIELD,
    Document,
    Field,
    JiraSiteData,
    JiraUser,
    Project,
    Status,
    platform_time,
)

ISSUE_TYPES: dict[str, Document] = {
    name: {"self": f"{API}/issuetype/{id_}", "id": id_, "name": name, "subtask": subtask, "hierarchyLevel": level}
    for id_, name, subtask, level in (
        ("10000", "Epic", False, 1),
        ("10001", "Story", False, 0),
        ("10002", "Task", False, 0),
        ("10004", "Bug", False, 0),
        ("10003", "Sub-task", True, -1),
    )
}
PRIORITIES: dict[str, Document] = {
    name: {"self": f"{API}/priority/{id_}", "id": id_, "name": name}
    for id_, name in (("2", "High"), ("3", "Medium"), ("4", "Low"))
}
DONE = {"self": f"{API}/resolution/10000", "id": "10000", "name": "Done", "description": "Work is done."}
INLINE_COMMENTS = 20


@dataclass
class JiraIssue:
    """One issue as it is now. ``fields`` is Jira's ``fields`` object without the Sprint field.

    The Sprint field contains the documents of sprints, which change without the issue: it is stored as ``sprint_ids``
    and written out in each answer.
    """

    id: int
    key: str
    project_id: str
    created: int
    updated: int
    fields: Document
    sprint_ids: list[int] = field(default_factory=list)

    @property
    def status_id(self) -> str:
        """The status that the issue is in."""
        return str(self.fields["status"]["id"])

    @property
    def is_subtask(self) -> bool:
        """True for an issue that follows its parent through the sprints."""
        return bool(self.fields["issuetype"]["subtask"])

    @property
    def stub(self) -> Document:
        """The short form that a link or a child shows."""
        shown = {name: self.fields[name] for name in ("summary", "status", "priority", "issuetype")}
        return {"id": str(self.id), "key": self.key, "self": f"{API}/issue/{self.id}", "fields": shown}


def new_issue(
    issue_id: int,
    project: Project,
    *,
    at: int,
    type_name: str,
    summary: str,
    status: Status,
    reporter: JiraUser,
    assignee: JiraUser | None = None,
    priority: str = "Medium",
    labels: list[str] | None = None,
    parent: JiraIssue | None = None,
    description: str = "",
    sprint_ids: list[int] | None = None,
    estimates: dict[str, float] | None = None,
) -> JiraIssue:
    """An issue that is created at ``at`` (epoch ms), with the next number of its project."""
    key = f"{project.key}-{project.next_number}"
    project.next_number += 1
    fields: Document = {
        "summary": summary,
        "status": status.document,
        "issuetype": ISSUE_TYPES[type_name],
        "project": project.document,
        "priority": PRIORITIES[priority],
        "resolution": None,
        "resolutiondate": None,
        "created": platform_time(at),
        "updated": platform_time(at),
        "duedate": None,
        "assignee": assignee.document if assignee else None,
        "reporter": reporter.document,
        "creator": reporter.document,
        "labels": labels or [],
        "fixVersions": [],
        "components": [],
        "description": atlassian_document(description) if description else None,
        "issuelinks": [],
        "timespent": None,
        "timeoriginalestimate": None,
        "comment": {
            "comments": [],
            "self": f"{API}/issue/{issue_id}/comment",
            "maxResults": 0,
            "total": 0,
            "startAt": 0,
        },
        **(estimates or {}),
    }
    if parent:
        fields["parent"] = parent.stub
        if parent.fields["issuetype"]["name"] == "Epic" and not project.team_managed:
            fields[EPIC_LINK_FIELD] = parent.key
    if status.category == "done":
        fields |= {"resolution": DONE, "resolutiondate": platform_time(at)}
    return JiraIssue(issue_id, key, project.id, at, at, fields, list(sprint_ids or ()))


def comment_page(issue_id: int, shown: list[Document], total: int) -> Document:
    """The field ``comment`` of an issue: the comments shown, and how many there are in all."""
    return {
        "comments": shown,
        "self": f"{API}/issue/{issue_id}/comment",
        "maxResults": len(shown),
        "total": total,
        "startAt": 0,
    }


def atlassian_document(text: str) -> Document:
    """Text in Atlassian's document format, as one paragraph."""
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


def _item(name: str, field_id: str, kind: str, old: tuple[Any, Any], new: tuple[Any, Any]) -> Document:
    return {
        "field": name,
        "fieldtype": kind,
        "fieldId": field_id,
        "from": old[0],
        "fromString": old[1],
        "to": new[0],
        "toString": new[1],
    }


def set_status(issue: JiraIssue, status: Status, at: int) -> list[Document]:
    """Move to a status; as on most sites, the resolution follows from the category of the status."""
    old = issue.fields["status"]
    if old["id"] == status.id:
        return []
    issue.fields["status"] = status.document
    items = [_item("status", "status", "jira", (old["id"], old["name"]), (status.id, status.name))]
    done, resolved = status.category == "done", issue.fields["resolution"] is not None
    if done and not resolved:
        issue.fields |= {"resolution": DONE, "resolutiondate": platform_time(at)}
        items.append(_item("resolution", "resolution", "jira", (None, None), (DONE["id"], DONE["name"])))
    elif resolved and not done:
        old = issue.fields["resolution"]
        issue.fields |= {"resolution": None, "resolutiondate": None}
        items.append(_item("resolution", "resolution", "jira", (old["id"], old["name"]), (None, None)))
    return items


def set_sprints(issue: JiraIssue, sprint_ids: list[int], site: JiraSiteData) -> list[Document]:
    """Set the Sprint field; the history lists the ids and the names, separated by a comma and a space."""
    if sprint_ids == issue.sprint_ids:
        return []

    def values(ids: list[int]) -> tuple[str, str]:
        names = (site.sprints[i].name if i in site.sprints else str(i) for i in ids)
        return ", ".join(map(str, ids)), ", ".join(names)

    item = _item("Sprint", SPRINT_FIELD, "custom", values(issue.sprint_ids), values(sprint_ids))
    issue.sprint_ids = list(sprint_ids)
    return [item]


def move_to_sprint(issue: JiraIssue, sprint_id: int | None, site: JiraSiteData) -> list[Document]:
    """Put an issue into one open sprint, or into the backlog; closed sprints stay in the field."""
    closed = [i for i in issue.sprint_ids if i in site.sprints and site.sprints[i].state == "closed"]
    return set_sprints(issue, closed + ([sprint_id] if sprint_id is not None else []), site)


def set_number(issue: JiraIssue, number: Field, value: float | None) -> list[Document]:
    """Set a numeric field, such as an estimate; the history has the values as strings, and null as ids."""
    old = issue.fields.get(number.id)
    if old == value:
        return []
    issue.fields[number.id] = value

    def text(amount: float | None) -> str | None:
        return None if amount is None else f"{amount:g}"

    kind = "custom" if number.custom else "jira"
    return [_item(number.name, number.id, kind, (None, text(old)), (None, text(value)))]


def set_text(issue: JiraIssue, field_id: str, value: str | None) -> list[Document]:
    """Set a plain text field, such as the summary or the due date."""
    old = issue.fields.get(field_id)
    if old == value:
        return []
    issue.fields[field_id] = value
    return [_item(field_id, field_id, "jira", (None, old), (None, value))]


def set_labels(issue: JiraIssue, labels: list[str]) -> list[Document]:
    """Set the labels."""
    old = issue.fields.get("labels") or []
    if old == labels:
        return []
    issue.fields["labels"] = labels
    return [_item("labels", "labels", "jira", (None, " ".join(old)), (None, " ".join(labels)))]


def set_assignee(issue: JiraIssue, user: JiraUser | None) -> list[Document]:
    """Assign an issue to somebody, or to nobody."""
    old = issue.fields.get("assignee") or {}
    new = user.document if user else None
    if old.get("accountId") == (user.account_id if user else None):
        return []
    issue.fields["assignee"] = new
    before = (old.get("accountId"), old.get("displayName"))
    after = (user.account_id, user.name) if user else (None, None)
    return [_item("assignee", "assignee", "jira", before, after)]


def move_to_project(issue: JiraIssue, source: Project, target: Project) -> list[Document]:
    """Move an issue to another project: the id stays, the key is the next one of the target."""
    old_key = issue.key
    issue.key = f"{target.key}-{target.next_number}"
    target.next_number += 1
    issue.project_id = target.id
    issue.fields["project"] = target.document
    return [
        _item("project", "project", "jira", (source.id, source.name), (target.id, target.name)),
        _item("Key", "key", "jira", (None, old_key), (None, issue.key)),
    ]


def history(history_id: int, author: JiraUser, at: int, items: list[Document]) -> Document:
    """The document of one history."""
    return {"id": str(history_id), "author": author.document, "created": platform_time(at), "items": items}
