"""GitHub's webhooks: pull requests, reviews, issues, pushes, checks, deployments, alerts and all others.

The name of the event is in a header; when a producer lost it, it is derived from the fields of the body. A body has no
time of its own: the event takes a time of its object, when that is the time of this event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from impulsum_pipelines.webhooks.readers import ParsedBody, PulledKind, Reader
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "action": "what was done: opened, closed, labeled",
    "branch": "name of the branch",
    "conclusion": "how a run, check, status or deployment ended: success, failure, error",
    "environment": "name of the environment of a deployment",
    "is_default_branch": "whether the branch is the repository's default branch",
    "is_draft": "whether the pull request is a draft",
    "is_merged": "whether the pull request is merged",
    "is_production": "whether the environment is production, by its name or the vendor's flag",
    "label": "the label that was added or removed",
    "ref_type": "branch or tag",
    "repository": "owner/name",
    "review_state": "approved, changes_requested or commented",
    "severity": "severity of a security alert: low, medium, high or critical",
    "state": "state of the pull request, issue or alert: open or closed",
    "workflow": "name of the workflow or check",
}

#: Fields with the object of an event, the nearest first; each with the name of the event when no header gives it.
_OBJECTS = {
    "review": "pull_request_review",
    "thread": "pull_request_review_thread",
    "comment": "issue_comment",
    "deployment_status": "deployment_status",
    "workflow_job": "workflow_job",
    "workflow_run": "workflow_run",
    "check_run": "check_run",
    "check_suite": "check_suite",
    "pull_request": "pull_request",
    "issue": "issues",
    "discussion": "discussion",
    "deployment": "deployment",
    "release": "release",
    "alert": "alert",
    "repository_advisory": "repository_advisory",
    "security_advisory": "security_advisory",
    "milestone": "milestone",
    "label": "label",
    "rule": "branch_protection_rule",
    "package": "package",
    "projects_v2_item": "projects_v2_item",
    "forkee": "fork",
    "hook": "ping",
}

#: Events without an object, with the fields that their bodies have.
_BARE = {"push": ("commits", "ref"), "status": ("sha", "state")}

#: Names of alert events, by a field that only this kind of alert has.
_ALERTS = {
    "secret_type": "secret_scanning_alert",
    "dependency": "dependabot_alert",
    "tool": "code_scanning_alert",
    "affected_package_name": "repository_vulnerability_alert",
}

#: The field with the time of an action; ``updated_at`` for all others.
_ACTED_AT = {
    "opened": "created_at",
    "created": "created_at",
    "closed": "closed_at",
    "merged": "merged_at",
    "submitted": "submitted_at",
    "published": "published_at",
    "released": "published_at",
    "prereleased": "published_at",
    "completed": "completed_at",
    "in_progress": "started_at",
    "queued": "created_at",
    "waiting": "created_at",
    "dismissed": "dismissed_at",
    "create": "created_at",
    "dismiss": "dismissed_at",
    "closed_by_user": "dismissed_at",
    "fixed": "fixed_at",
}
#: Actions that leave no time on the object: it only has the time of an earlier change.
_TIMELESS = frozenset({"deleted", "removed", "transferred", "rerequested"})

_PRODUCTION = re.compile(r"(?<![a-z])(?<!non[- _])(?<!pre[- _])(?<!not[- _])(?:prod|production|live)(?![a-z])")
_PULL = re.compile(r"https://[\w.-]+/([\w.-]{1,100}/[\w.-]{1,100})/pull/(\d{1,9})\b")


def _find_subjects(text: str) -> Iterator[str]:
    for repository, number in _PULL.findall(text):
        yield f"pull:{repository}#{number}"


def _parse(body: Document, headers: Mapping[str, str]) -> ParsedBody:
    name = headers.get("x-github-event") or _event_name(body)
    action, repository = body.text("action"), body.text("repository", "full_name")
    about = next((body.child(field) for field in _OBJECTS if body.child(field)), Document(None))
    pull, branch, text = _pull(body, about), _branch(body, about), _written(body, action)
    environment = body.text("deployment", "environment") or about.text("environment")
    facts = {
        **_state(body, about, environment),
        "action": action,
        "branch": branch,
        "environment": environment,
        "is_default_branch": branch == body.text("repository", "default_branch") if branch else None,
        "is_over": action == "closed" and name in ("issues", "pull_request"),
        "label": body.text("label", "name"),
        "repository": repository,
        "text": text,
    }
    return ParsedBody(
        type=f"{name}.{action}" if action else name,
        occurred_at=_time(name, action, body, about),
        subjects=tuple(_subjects(name, body, about, pull, branch, environment)),
        title=_title(name, action, body, about, facts, pull),
        url=about.text("html_url")
        or body.text("pull_request", "html_url")
        or body.text("compare")
        or body.text("repository", "html_url"),
        actor=body.text("sender", "login"),
        facts=facts,
        texts=(
            body.text("pull_request", "title") or body.text("issue", "title"),
            body.text("pull_request", "head", "ref") or branch,
            text,
            body.text("workflow_run", "head_commit", "message"),
            *(commit.text("message") for commit in body.children("commits")),
        ),
    )


def _event_name(body: Document) -> str:
    """The name of the event, derived from the fields of the body."""
    if alert := body.child("alert"):
        return next((name for field, name in _ALERTS.items() if field in alert), "alert")
    if "comment" in body and "issue" not in body:
        beside = next((field for field in ("pull_request", "discussion") if field in body), "commit")
        return "pull_request_review_comment" if beside == "pull_request" else f"{beside}_comment"
    found = (event for field, event in _OBJECTS.items() if body.child(field))
    bare = (event for event, fields in _BARE.items() if all(field in body for field in fields))
    return next(found, None) or next(bare, "unknown")


def _pull(body: Document, about: Document) -> str | None:
    """Number of the pull request that the event is about."""
    if "pull_request" in body:
        return body.text("pull_request", "number") or body.text("number")
    if "pull_request" in body.child("issue"):
        return body.text("issue", "number")
    return next((number for part in about.children("pull_requests") if (number := part.text("number"))), None)


def _branch(body: Document, about: Document) -> str | None:
    ref = body.text("ref") or ""
    if "commits" in body and not ref.startswith("refs/heads/"):
        return None  # a tag
    if body.text("ref_type") in {None, "branch"} and ref:
        return ref.removeprefix("refs/heads/")
    return (
        body.text("pull_request", "head", "ref")
        or about.text("head_branch")
        or about.text("check_suite", "head_branch")
        or body.text("deployment", "ref")
        or next((name for branch in body.children("branches") if (name := branch.text("name"))), None)
    )


def _subjects(
    name: str, body: Document, about: Document, pull: str | None, branch: str | None, environment: str | None
) -> Iterator[str]:
    if not (repository := body.text("repository", "full_name")):
        if account := body.text("organization", "login") or body.text("installation", "account", "login"):
            yield f"account:{account}"
        return
    if pull:
        yield f"pull:{repository}#{pull}"
    elif number := body.text("issue", "number"):
        yield f"repository-issue:{repository}#{number}"
    elif number := body.text("discussion", "number"):
        yield f"discussion:{repository}#{number}"
    elif number := body.text("alert", "number"):
        yield f"alert:{repository}/{name.removesuffix('_alert')}#{number}"
    elif tag := body.text("release", "tag_name"):
        yield f"release:{repository}@{tag}"
    if environment:
        yield f"environment:{repository}@{environment}"
    if branch:
        yield f"branch:{repository}@{branch}"
    yield f"repository:{repository}"


def _state(body: Document, about: Document, environment: str | None) -> dict[str, Any]:
    pull, alert, sender = body.child("pull_request"), body.child("alert"), body.child("sender")
    labelled = pull or body.child("issue") or body.child("discussion")
    flag = body.flag("deployment", "production_environment")
    return {
        "changed_fields": body.child("changes").names(),
        "conclusion": about.text("conclusion") or body.text("deployment_status", "state") or _status(body),
        "created_at": about.timestamp("created_at"),
        "is_bot": sender.text("type") == "Bot" or (sender.text("login") or "").endswith("[bot]"),
        "is_draft": pull.flag("draft"),
        "is_merged": pull.flag("merged"),
        "is_production": bool(flag or _PRODUCTION.search(environment.lower())) if environment else None,
        "labels": tuple(label for part in labelled.children("labels") if (label := part.text("name"))),
        "ref_type": body.text("ref_type"),
        "review_state": (body.text("review", "state") or "").lower() or None,
        "severity": (
            alert.text("security_advisory", "severity")
            or alert.text("rule", "security_severity_level")
            or alert.text("severity")
            or body.text("repository_advisory", "severity")
            or body.text("security_advisory", "severity")
        ),
        "state": labelled.text("state") or alert.text("state"),
        "workflow": (
            body.text("workflow", "name")
            or body.text("workflow_job", "workflow_name")
            or body.text("check_run", "name")
        ),
    }


def _status(body: Document) -> str | None:
    return body.text("state") if "sha" in body else None


def _written(body: Document, action: str | None) -> str | None:
    """The text that is new in this event; a description counts when it is written or changed."""
    if comment := body.child("comment") or body.child("review"):
        return comment.text("body") if action != "deleted" else None
    about = body.child("pull_request") or body.child("issue") or body.child("discussion")
    if action in {"opened", "created"} or body.child("changes"):
        return "\n".join(filter(None, (about.text("title"), about.text("body")))) or None
    return None


def _time(name: str, action: str | None, body: Document, about: Document) -> datetime | None:
    if name == "push":
        return body.timestamp("repository", "pushed_at")
    if not about:
        return body.timestamp("updated_at") or body.timestamp("starred_at")
    if action in _TIMELESS:
        return None
    if name == "release" and action not in {"published", "released", "prereleased"}:
        return None  # created_at of a release is the time of its commit
    acted_at = about.timestamp(_ACTED_AT.get(action or "", "updated_at")) or about.timestamp("updated_at")
    # An event without an action is the creation of its object.
    return acted_at or (None if action else about.timestamp("created_at"))


def _title(
    name: str, action: str | None, body: Document, about: Document, facts: Mapping[str, Any], pull: str | None
) -> str:
    where = body.text("repository", "full_name") or body.text("organization", "login") or "GitHub"
    number = pull or body.text("issue", "number") or body.text("alert", "number")
    what = (
        body.text("pull_request", "title")
        or body.text("issue", "title")
        or body.text("discussion", "title")
        or body.text("alert", "security_advisory", "summary")
        or body.text("alert", "rule", "description")
        or body.text("alert", "secret_type_display_name")
        or body.text("alert", "affected_package_name")
        or body.text("security_advisory", "summary")
    )
    if not what:
        happened = f"{name} {action or ''}".replace("_", " ").strip()
        named = (facts.get(fact) for fact in ("workflow", "environment", "branch", "conclusion"))
        details = (body.text("release", "tag_name"), *named)
        what = ", ".join((happened, *(str(detail) for detail in details if detail)))
    return f"{where}#{number}: {what}" if number else f"{where}: {what}"


def _repository(subjects: Sequence[str]) -> str | None:
    found = (subject.removeprefix("repository:") for subject in subjects if subject.startswith("repository:"))
    return next(found, None)


def _numbered(kind: str, table: str, *events: str, deleted_by: str | None = None) -> PulledKind:
    """A kind of thing with a number in its repository; each of the events changes its ``updated_at``."""
    return PulledKind(
        kind,
        table,
        subject="repository.full_name || '#' || row.number",
        name="repository.full_name || '#' || row.number",
        scope="repository.full_name",
        changed_at="row.updated_at",
        changed_by=frozenset({*events, "issue_comment.created"}),
        deleted_by=frozenset(filter(None, [deleted_by])),
        joins="join raw.repositories repository on repository.id = row.repository_id",
        scope_of=_repository,
    )


#: Actions on both issues and pull requests.
_ACTIONS = ("opened", "edited", "closed", "reopened", "labeled", "unlabeled", "assigned", "unassigned")
_PULL_ACTIONS = (*_ACTIONS, "synchronize", "ready_for_review", "converted_to_draft", "review_requested")

READER = Reader(
    parse=_parse,
    facts=FACTS,
    volatile=frozenset({"organization", "enterprise", "installation"}),
    find_subjects=_find_subjects,
    pulled_kinds=(
        _numbered(
            "pull",
            "pull_requests",
            *(f"pull_request.{action}" for action in _PULL_ACTIONS),
            "pull_request_review.submitted",
            "pull_request_review_comment.created",
        ),
        _numbered(
            "repository-issue",
            "issues",
            *(f"issues.{action}" for action in _ACTIONS),
            deleted_by="issues.deleted",
        ),
    ),
)
