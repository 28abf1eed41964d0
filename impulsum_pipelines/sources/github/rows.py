"""GitHub's documents to rows: the typed columns of :mod:`tables`, with the whole document beside them.

Every function is pure. For things within a repository the first argument is the repository's id, which the documents do
not have. Unknown fields stay in the payload; a missing one is null; a value of a wrong type is null in its column.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from impulsum_pipelines.sources.base.values import as_datetime, as_int, as_text, text_field

Document = dict[str, Any]
Row = dict[str, Any]


def repository(document: Document) -> Row:
    """One repository."""
    return {
        "id": str(document["id"]),
        "owner": text_field(document.get("owner"), "login"),
        "name": as_text(document.get("name")),
        "full_name": document["full_name"],
        "default_branch": as_text(document.get("default_branch")),
        "is_private": _as_bool(document.get("private")),
        "is_fork": _as_bool(document.get("fork")),
        "is_archived": _as_bool(document.get("archived")),
        "has_issues": _as_bool(document.get("has_issues")),
        "open_issue_total": as_int(document.get("open_issues_count")),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "pushed_at": as_datetime(document.get("pushed_at")),
        "payload": document,
    }


def pull_request(repository_id: str, document: Document, commit_shas: list[str]) -> Row:
    """One pull request, from its own page and not from the list, with the commits in it."""
    head = document.get("head")
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "number": as_int(document["number"]),
        "title": as_text(document.get("title")),
        "author": text_field(document.get("user"), "login"),
        "is_bot": text_field(document.get("user"), "type") == "Bot",
        "state": as_text(document.get("state")),
        "is_draft": _as_bool(document.get("draft")),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "closed_at": as_datetime(document.get("closed_at")),
        "merged_at": as_datetime(document.get("merged_at")),
        "merged_by": text_field(document.get("merged_by"), "login"),
        "merge_commit_sha": as_text(document.get("merge_commit_sha")),
        "head_ref": text_field(head, "ref"),
        "head_sha": text_field(head, "sha"),
        "base_ref": text_field(document.get("base"), "ref"),
        "additions": as_int(document.get("additions")),
        "deletions": as_int(document.get("deletions")),
        "changed_files": as_int(document.get("changed_files")),
        "commit_total": as_int(document.get("commits")),
        "comment_total": as_int(document.get("comments")),
        "review_comment_total": as_int(document.get("review_comments")),
        "labels": _names(document.get("labels"), "name"),
        "requested_reviewers": _names(document.get("requested_reviewers"), "login"),
        "commit_shas": orjson.dumps(commit_shas).decode(),
        "payload": document,
    }


def review(repository_id: str, document: Document, pull: Document) -> Row:
    """One review of a pull request."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "pull_request_id": str(pull["id"]),
        "pull_request_number": as_int(pull.get("number")),
        "author": text_field(document.get("user"), "login"),
        "state": as_text(document.get("state")),
        "commit_sha": as_text(document.get("commit_id")),
        "submitted_at": as_datetime(document.get("submitted_at")),
        "payload": document,
    }


def review_comment(repository_id: str, document: Document) -> Row:
    """One comment on a line of a pull request."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "pull_request_number": _number_in(document.get("pull_request_url")),
        "review_id": as_text(document.get("pull_request_review_id")),
        "in_reply_to_id": as_text(document.get("in_reply_to_id")),
        "author": text_field(document.get("user"), "login"),
        "path": as_text(document.get("path")),
        "body": as_text(document.get("body")),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "payload": document,
    }


def issue_comment(repository_id: str, document: Document) -> Row:
    """One comment in the conversation of an issue or pull request."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "issue_number": _number_in(document.get("issue_url")),
        "is_on_pull_request": "/pull/" in str(document.get("html_url")),
        "author": text_field(document.get("user"), "login"),
        "body": as_text(document.get("body")),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "payload": document,
    }


def commit(repository_id: str, document: Document) -> Row:
    """One commit."""
    within = document.get("commit")
    author = within.get("author") if isinstance(within, dict) else None
    committer = within.get("committer") if isinstance(within, dict) else None
    return {
        "id": f"{repository_id}:{document['sha']}",
        "repository_id": repository_id,
        "sha": document["sha"],
        "message": text_field(within, "message"),
        "author": text_field(document.get("author"), "login"),
        "author_name": text_field(author, "name"),
        "author_email": text_field(author, "email"),
        "authored_at": as_datetime(text_field(author, "date")),
        "committed_at": as_datetime(text_field(committer, "date")),
        "is_merge": len(document.get("parents") or []) > 1,
        "payload": document,
    }


def issue(repository_id: str, document: Document) -> Row:
    """One issue."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "number": as_int(document["number"]),
        "title": as_text(document.get("title")),
        "author": text_field(document.get("user"), "login"),
        "state": as_text(document.get("state")),
        "state_reason": as_text(document.get("state_reason")),
        "labels": _names(document.get("labels"), "name"),
        "assignees": _names(document.get("assignees"), "login"),
        "comment_total": as_int(document.get("comments")),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "closed_at": as_datetime(document.get("closed_at")),
        "closed_by": text_field(document.get("closed_by"), "login"),
        "payload": document,
    }


def release(repository_id: str, document: Document) -> Row:
    """One release."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "tag_name": as_text(document.get("tag_name")),
        "name": as_text(document.get("name")),
        "target": as_text(document.get("target_commitish")),
        "author": text_field(document.get("author"), "login"),
        "is_draft": _as_bool(document.get("draft")),
        "is_prerelease": _as_bool(document.get("prerelease")),
        "created_at": as_datetime(document.get("created_at")),
        "published_at": as_datetime(document.get("published_at")),
        "payload": document,
    }


def deployment(repository_id: str, document: Document) -> Row:
    """One deployment."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "sha": as_text(document.get("sha")),
        "ref": as_text(document.get("ref")),
        "environment": as_text(document.get("environment")),
        "is_production": _as_bool(document.get("production_environment")),
        "task": as_text(document.get("task")),
        "creator": text_field(document.get("creator"), "login"),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "payload": document,
    }


def deployment_status(repository_id: str, document: Document, deployment_id: str) -> Row:
    """One status of a deployment."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "deployment_id": deployment_id,
        "state": as_text(document.get("state")),
        "environment": as_text(document.get("environment")),
        "description": as_text(document.get("description")),
        "creator": text_field(document.get("creator"), "login"),
        "created_at": as_datetime(document.get("created_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "payload": document,
    }


def workflow_run(repository_id: str, document: Document) -> Row:
    """One run of a workflow."""
    return {
        "id": str(document["id"]),
        "repository_id": repository_id,
        "workflow_id": as_text(document.get("workflow_id")),
        "name": as_text(document.get("name")),
        "event": as_text(document.get("event")),
        "status": as_text(document.get("status")),
        "conclusion": as_text(document.get("conclusion")),
        "head_branch": as_text(document.get("head_branch")),
        "head_sha": as_text(document.get("head_sha")),
        "run_number": as_int(document.get("run_number")),
        "run_attempt": as_int(document.get("run_attempt")),
        "actor": text_field(document.get("actor"), "login"),
        "created_at": as_datetime(document.get("created_at")),
        "started_at": as_datetime(document.get("run_started_at")),
        "updated_at": as_datetime(document.get("updated_at")),
        "payload": document,
    }


#: By table, the function that makes its rows from the items of the walk's batches.
TO_ROW: dict[str, Callable[..., Row]] = {
    "pull_requests": pull_request,
    "reviews": review,
    "review_comments": review_comment,
    "issue_comments": issue_comment,
    "commits": commit,
    "issues": issue,
    "releases": release,
    "deployments": deployment,
    "deployment_statuses": deployment_status,
    "workflow_runs": workflow_run,
}


def _as_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _names(things: object, name: str) -> str:
    """One field of each object in a list, as a JSON list."""
    listed = things if isinstance(things, list) else []
    return orjson.dumps([text_field(thing, name) for thing in listed]).decode()


def _number_in(url: object) -> int | None:
    """The number at the end of a URL."""
    last = str(url).rpartition("/")[2]
    return int(last) if last.isdigit() else None
