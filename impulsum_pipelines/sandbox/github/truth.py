"""The truth: every record that the source must have stored alive now, with the columns that show a mistake."""

from __future__ import annotations

from typing import Any

from impulsum_pipelines.sandbox.github.documents.repositories import iso
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Rows = dict[str, dict[str, Any]]


def truth(world: GitHubWorld) -> dict[str, Rows]:
    """Columns and values by raw table and id, for the repositories that the token sees."""
    seen = {r.id for r in world.repositories.values() if not r.hidden}
    pulls = [p for p in world.pulls.values() if p.repository in seen]
    return {
        "repositories": {
            str(r.id): {
                "full_name": r.full_name,
                "is_archived": r.archived,
                "pushed_at": iso(r.pushed),
                "open_issue_total": sum(i.repository == r.id and i.closed is None for i in world.issues.values()),
            }
            for r in world.repositories.values()
            if r.id in seen
        },
        "pull_requests": {
            str(p.id): {
                "repository_id": str(p.repository),
                "number": p.issue.number,
                "title": p.issue.title,
                "state": "closed" if p.issue.closed is not None else "open",
                "head_sha": p.commits[-1],
                "commit_total": len(p.commits),
                "merged_at": None if p.merged is None else iso(p.merged),
                "merged_by": p.merged_by.login if p.merged_by else None,
                "merge_commit_sha": p.merge_sha,
                "additions": p.additions,
                "updated_at": iso(p.issue.updated),
            }
            for p in pulls
        },
        "reviews": {
            str(r.id): {
                "pull_request_id": str(r.pull.id),
                "author": r.author.login,
                "state": r.state,
                "submitted_at": iso(r.submitted),
            }
            for r in world.reviews.values()
            if r.repository in seen
        },
        "review_comments": {
            str(c.id): {
                "repository_id": str(c.repository),
                "pull_request_number": c.issue.number,
                "review_id": str(c.review),
                "body": c.body,
                "updated_at": iso(c.updated),
            }
            for c in world.review_comments.values()
            if c.repository in seen
        },
        "issue_comments": {
            str(c.id): {
                "repository_id": str(c.repository),
                "issue_number": c.issue.number,
                "body": c.body,
                "updated_at": iso(c.updated),
            }
            for c in world.issue_comments.values()
            if c.repository in seen
        },
        "commits": _commits(world, seen),
        "issues": {
            str(i.id): {
                "repository_id": str(i.repository),
                "number": i.number,
                "title": i.title,
                "state": "closed" if i.closed is not None else "open",
                "updated_at": iso(i.updated),
            }
            for i in world.issues.values()
            if i.pull is None and i.repository in seen and world.repositories[i.repository].has_issues
        },
        "releases": {
            str(r.id): {"repository_id": str(r.repository), "tag_name": r.tag, "published_at": iso(r.published)}
            for r in world.releases.values()
            if r.repository in seen
        },
        "deployments": {
            str(d.id): {"repository_id": str(d.repository), "sha": d.sha, "environment": d.environment}
            for d in world.deployments.values()
            if d.repository in seen
        },
        "deployment_statuses": {
            str(s.id): {"deployment_id": str(s.deployment.id), "state": s.state, "created_at": iso(s.created)}
            for s in world.statuses.values()
            if s.repository in seen
        },
        "workflow_runs": {
            str(r.id): {
                "repository_id": str(r.repository),
                "head_sha": r.sha,
                "status": r.status,
                "conclusion": r.conclusion,
                "run_attempt": r.attempt,
                "updated_at": iso(r.updated),
            }
            for r in world.runs.values()
            if r.repository in seen
        },
    }


def _commits(world: GitHubWorld, seen: set[int]) -> Rows:
    """The commits that the default branch reaches, and those of pull requests."""
    found: Rows = {}
    for repository in world.repositories.values():
        if repository.id not in seen:
            continue
        in_pulls = [sha for p in world.pulls.values() if p.repository == repository.id for sha in p.commits]
        for sha in {*repository.main, *in_pulls}:
            commit = repository.commits[sha]
            found[f"{repository.id}:{sha}"] = {
                "sha": sha,
                "repository_id": str(repository.id),
                "message": commit.message,
                "committed_at": iso(commit.committed),
            }
    return found
