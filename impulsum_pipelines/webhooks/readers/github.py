"""GitHub's webhooks: pull requests, reviews, issues, pushes, checks, deployments, alerts and all the rest.

The event's name is in a header; where a producer lost it, it is told from what the body holds. Bodies have no time of
their own: it is that of the object which the event is about, where that is the time of this event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from impulsum_pipelines.webhooks.readers import Pulled, Reader, Reading
from impulsum_pipelines.webhooks.readers.document import Document

FACTS = {
    "action": "what was done: opened, closed, labeled",
    "branch": "the branch that it is about",
    "conclusion": "how a run, check, status or deployment ended: success, failure, error",
    "environment": "name of the environment that is deployed to",
    "is_default_branch": "whether the branch is the repository's default one",
    "is_draft": "whether the pull request is a draft",
    "is_merged": "whether the pull request is merged",
    "is_production": "whether the environment is production, by its name or the vendor's flag",
    "label": "the label that was added or removed",
    "ref_type": "branch or tag",
    "repository": "owner/name",
    "review_state": "approved, changes_requested or commented",
    "severity": "of a security alert: low, medium, high or critical",
    "state": "open or closed: of the pull request, issue or alert",
    "workflow": "name of the workflow or check",
}

#: What an event is about, by the field that holds it, the nearest first; and the event's name where no header says it.
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

#: Events that are about no object, by the fields that their bodies have.
_BARE = {"push": ("commits", "ref"), "status": ("sha", "state")}

#: Alerts, by a field that only these have.
_ALERTS = {
    "secret_type": "secret_scanning_alert",
    "dependency": "dependabot_alert",
    "tool": "code_scanning_alert",
    "affected_package_name": "repository_vulnerability_alert",
}

#: The field that holds when an action happened; updated_at says it of the others.
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
#: Afterwards the object says only when it last changed before.
_TIMELESS = frozenset({"deleted", "removed", "transferred", "rerequested"})

_PRODUCTION = re.compile(r"(?<![a-z])(?<!non[- _])(?<!pre[- _])(?<!not[- _])(?:prod|production|live)(?![a-z])")
_PULL = re.compile(r"https://[\w.-]+/([\w.-]{1,100}/[\w.-]{1,100})/pull/(\d{1,9})\b")


def _mentioned(text: str) -> Iterator[str]:
    for repository, number in _PULL.findall(text):
        yield f"pull:{repository}#{number}"


def _read(body: Document, headers: Mapping[str, str]) -> Reading:
    name = headers.get("x-github-event") or _event_name(body)
    action, repository = body.text("action"), body.text("repository", "full_name")
    about = next((body.part(field) for field in _OBJECTS if body.part(field)), Document(None))
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
    return Reading(
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
            *(commit.text("message") for commit in body.parts("commits")),
        ),
    )


def _event_name(body: Document) -> str:
    """The event's name, told from what the body holds."""
    if alert := body.part("alert"):
        return next((name for field, name in _ALERTS.items() if field in alert), "alert")
    if "comment" in body and "issue" not in body:
        beside = next((field for field in ("pull_request", "discussion") if field in body), "commit")
        return "pull_request_review_comment" if beside == "pull_request" else f"{beside}_comment"
    found = (event for field, event in _OBJECTS.items() if body.part(field))
    bare = (event for event, fields in _BARE.items() if all(field in body for field in fields))
    return next(found, None) or next(bare, "unknown")


def _pull(body: Document, about: Document) -> str | None:
    """Number of the pull request that it is about."""
    if "pull_request" in body:
        return body.text("pull_request", "number") or body.text("number")
    if "pull_request" in body.part("issue"):
        return body.text("issue", "number")
    return next((number for part in about.parts("pull_requests") if (number := part.text("number"))), None)


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
        or next((name for branch in body.parts("branches") if (name := branch.text("name"))), None)
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
    pull, alert, sender = body.part("pull_request"), body.part("alert"), body.part("sender")
    labelled = pull or body.part("issue") or body.part("discussion")
    flag = body.flag("deployment", "production_environment")
    return {
        "changed_fields": body.part("changes").names(),
        "conclusion": about.text("conclusion") or body.text("deployment_status", "state") or _status(body),
        "created_at": about.moment("created_at"),
        "is_bot": sender.text("type") == "Bot" or (sender.text("login") or "").endswith("[bot]"),
        "is_draft": pull.flag("draft"),
        "is_merged": pull.flag("merged"),
        "is_production": bool(flag or _PRODUCTION.search(environment.lower())) if environment else None,
        "labels": tuple(label for part in labelled.parts("labels") if (label := part.text("name"))),
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
    """What is new in this event: a description is said once, when it is written."""
    if comment := body.part("comment") or body.part("review"):
        return comment.text("body") if action != "deleted" else None
    about = body.part("pull_request") or body.part("issue") or body.part("discussion")
    if action in {"opened", "created"} or body.part("changes"):
        return "\n".join(filter(None, (about.text("title"), about.text("body")))) or None
    return None


def _time(name: str, action: str | None, body: Document, about: Document) -> datetime | None:
    if name == "push":
        return body.moment("repository", "pushed_at")
    if not about:
        return body.moment("updated_at") or body.moment("starred_at")
    if action in _TIMELESS:
        return None
    if name == "release" and action not in {"published", "released", "prereleased"}:
        return None  # created_at of a release is its commit's
    acted_at = about.moment(_ACTED_AT.get(action or "", "updated_at")) or about.moment("updated_at")
    # Without an action there is one event, which made it.
    return acted_at or (None if action else about.moment("created_at"))


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


def _numbered(kind: str, table: str, *events: str, deleted_by: str | None = None) -> Pulled:
    """What has a number in a repository; whatever of these happens to it changes its ``updated_at``."""
    return Pulled(
        kind,
        table,
        subject="repository.full_name || '#' || row.number",
        name="repository.full_name || '#' || row.number",
        part="repository.full_name",
        changed_at="row.updated_at",
        changed_by=frozenset({*events, "issue_comment.created"}),
        deleted_by=frozenset(filter(None, [deleted_by])),
        joined="join raw.repositories repository on repository.id = row.repository_id",
        part_of=_repository,
    )


#: What is done to both kinds.
_ACTIONS = ("opened", "edited", "closed", "reopened", "labeled", "unlabeled", "assigned", "unassigned")
_PULL_ACTIONS = (*_ACTIONS, "synchronize", "ready_for_review", "converted_to_draft", "review_requested")

READER = Reader(
    read=_read,
    facts=FACTS,
    volatile=frozenset({"organization", "enterprise", "installation"}),
    mentioned=_mentioned,
    pulled=(
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
