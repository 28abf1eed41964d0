"""The answers of GitHub's API: one function per endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.github.documents.repositories import Document
from impulsum_pipelines.sandbox.github.request import VERSIONS, GitHubRefusal, GitHubRequest
from impulsum_pipelines.sandbox.github.state import GitHubComment, GitHubIssue, Run
from impulsum_pipelines.sources.base.values import as_datetime


def not_found(asked: GitHubRequest) -> Any:
    """Any path that the API does not have."""
    raise GitHubRefusal(404, "Not Found")


# ---------------------------------------------------------------- repositories


def list_user_repositories(asked: GitHubRequest) -> list[Document]:
    """``users/{owner}/repos``: the repositories of an owner that the token sees."""
    owner = asked.request.path_params["owner"].lower()
    theirs = [r for r in asked.world.repositories.values() if r.owner.lower() == owner and not r.hidden]
    if not theirs:
        raise GitHubRefusal(404, "Not Found")
    return asked.page(sorted(theirs, key=lambda r: r.full_name), asked.show.repository)


def list_organization_repositories(asked: GitHubRequest) -> list[Document]:
    """``orgs/{owner}/repos``: the same for an organization; a person is none."""
    if asked.request.path_params["owner"] in {person.login for person in asked.world.people}:
        raise GitHubRefusal(404, "Not Found")
    return list_user_repositories(asked)


# ------------------------------------------------- pull requests and issues


def _listed(asked: GitHubRequest, issues: Iterable[GitHubIssue]) -> list[GitHubIssue]:
    """Issues filtered by state and time, and sorted; by default open ones, newest first."""
    state, by = asked.query.get("state", "open"), asked.query.get("sort", "created")
    since = asked.moment("since")
    chosen = [
        issue
        for issue in issues
        if (state == "all" or (state == "open") == (issue.closed is None))
        and (since is None or issue.updated // 1000 * 1000 >= since)
    ]
    ordered = sorted(chosen, key=lambda i: (i.updated if by == "updated" else i.created, i.id))
    # Sorted by update, only the list of pull requests ascends by default.
    up = by == "updated" and asked.request.url.path.endswith("/pulls")
    return ordered if asked.query.get("direction", "asc" if up else "desc") == "asc" else ordered[::-1]


def list_pulls(asked: GitHubRequest) -> list[Document]:
    """``pulls``: pull requests of a state, sorted."""
    of = [i for i in asked.world.issues.values() if i.repository == asked.repository.id and i.pull]
    found = [i.pull for i in _listed(asked, of)]
    return asked.page(found, lambda one: asked.show.pull(one, merge_sha=asked.version == VERSIONS[0]))


def show_pull(asked: GitHubRequest) -> Document:
    """``pulls/{number}``: one pull request, with its counts."""
    return asked.show.full_pull(_pull_of(asked), merge_sha=asked.version == VERSIONS[0])


def list_reviews(asked: GitHubRequest) -> list[Document]:
    """``pulls/{number}/reviews``: submitted reviews, oldest first."""
    of = [r for r in asked.world.reviews.values() if r.pull is _pull_of(asked)]
    return asked.page(of, asked.show.review)


def list_pull_commits(asked: GitHubRequest) -> list[Document]:
    """``pulls/{number}/commits``: at most 250, as GitHub gives."""
    repository = asked.repository
    return asked.page(
        _pull_of(asked).commits, lambda sha: asked.show.commit(repository, repository.commits[sha]), most=250
    )


def _pull_of(asked: GitHubRequest) -> Any:
    try:
        return asked.world.pull(asked.repository, asked.number)
    except LookupError:
        raise GitHubRefusal(404, "Not Found") from None


def list_issues(asked: GitHubRequest) -> list[Document]:
    """``issues``: issues and pull requests. As at GitHub, a ``since`` of 1970 finds nothing."""
    if not asked.repository.has_issues:
        raise GitHubRefusal(410, "Issues has been disabled in this repository.")
    of = [i for i in asked.world.issues.values() if i.repository == asked.repository.id]
    since = asked.query.get("since", "")
    return asked.page([] if since.startswith("1970") else _listed(asked, of), asked.show.issue)


def show_issue(asked: GitHubRequest) -> Document:
    """``issues/{number}``: one issue; 301 when it was transferred, 410 when it was deleted."""
    repository = asked.repository
    if (repository.id, asked.number) in asked.world.gone:
        successor = asked.world.gone[repository.id, asked.number]
        if successor is None:
            raise GitHubRefusal(410, "This issue was deleted")
        home = asked.world.repositories[successor.repository]
        url = f"{asked.show.api}/repositories/{home.id}/issues/{successor.number}"
        raise GitHubRefusal(301, "Moved Permanently", {"Location": url}, url=url)
    try:
        return asked.show.issue(asked.world.numbered(repository, asked.number))
    except LookupError:
        raise GitHubRefusal(404, "Not Found") from None


# -------------------------------------------------------------- comments


def _comments(asked: GitHubRequest, comments: Iterable[GitHubComment]) -> list[GitHubComment]:
    since = asked.moment("since")
    by_update = asked.query.get("sort") == "updated"
    chosen = [
        c
        for c in comments
        if c.repository == asked.repository.id and (since is None or c.updated // 1000 * 1000 >= since)
    ]
    ordered = sorted(chosen, key=lambda c: (c.updated if by_update else c.created, c.id))
    down = "sort" in asked.query and asked.query.get("direction", "desc" if by_update else "asc") == "desc"
    return ordered[::-1] if down else ordered


def list_review_comments(asked: GitHubRequest) -> list[Document]:
    """``pulls/comments``: comments on lines, of all pull requests."""
    return asked.page(_comments(asked, asked.world.review_comments.values()), asked.show.review_comment)


def list_issue_comments(asked: GitHubRequest) -> list[Document]:
    """``issues/comments``: comments on all issues and pull requests."""
    return asked.page(_comments(asked, asked.world.issue_comments.values()), asked.show.issue_comment)


# --------------------------------------------------------------- commits


def list_commits(asked: GitHubRequest) -> list[Document]:
    """``commits``: commits of the default branch, newest first; the bounds are committers' dates."""
    repository = asked.repository
    if not repository.main:
        raise GitHubRefusal(409, "Git Repository is empty.")
    since, until = asked.moment("since"), asked.moment("until")
    dates = {sha: repository.commits[sha].committed // 1000 * 1000 for sha in repository.main}
    chosen = [
        sha
        for sha in reversed(repository.main)
        if (since is None or dates[sha] >= since) and (until is None or dates[sha] <= until)
    ]
    return asked.page(chosen, lambda sha: asked.show.commit(repository, repository.commits[sha]))


def compare_commits(asked: GitHubRequest) -> Document:
    """``compare/{base}...{head}``: the commits that the head reaches and the base does not, oldest first."""
    repository = asked.repository
    base, dots, head = str(asked.request.path_params["basehead"]).partition("...")
    base, head = (repository.head or "" if name == repository.default_branch else name for name in (base, head))
    if not dots or base not in repository.commits or head not in repository.commits:
        raise GitHubRefusal(404, "Not Found")
    behind, ahead = repository.reached_from(base), repository.reached_from(head)
    new = [sha for sha in repository.commits if sha in ahead - behind]
    lost = behind - ahead
    shared = [sha for sha in repository.commits if sha in ahead & behind]
    if not shared:
        raise GitHubRefusal(404, "Not Found")

    def show(sha: str) -> Document:
        return asked.show.commit(repository, repository.commits[sha])

    url = f"{asked.show.api}/repos/{repository.full_name}/compare/{base}...{head}"
    state = "diverged" if new and lost else "ahead" if new else "behind" if lost else "identical"
    return {
        "url": url,
        "html_url": url,
        "permalink_url": url,
        "diff_url": f"{url}.diff",
        "patch_url": f"{url}.patch",
        "base_commit": show(base),
        "merge_base_commit": show(shared[-1]),
        "status": state,
        "ahead_by": len(new),
        "behind_by": len(lost),
        "total_commits": len(new),
        "commits": asked.page(new, show),
        "files": [],
    }


# ----------------------------------------- releases, deployments and runs


def list_releases(asked: GitHubRequest) -> list[Document]:
    """``releases``: newest first."""
    of = asked.world.of(asked.world.releases.values(), asked.repository)
    return asked.page(sorted(of, key=lambda r: (r.created, r.id), reverse=True), asked.show.release)


def list_deployments(asked: GitHubRequest) -> list[Document]:
    """``deployments``: newest first."""
    of = asked.world.of(asked.world.deployments.values(), asked.repository)
    return asked.page(of[::-1], asked.show.deployment)


def list_deployment_statuses(asked: GitHubRequest) -> list[Document]:
    """``deployments/{number}/statuses``: newest first."""
    deployment = asked.world.deployments.get(asked.number)
    if deployment is None or deployment.repository != asked.repository.id:
        raise GitHubRefusal(404, "Not Found")
    of = [s for s in asked.world.statuses.values() if s.deployment is deployment]
    return asked.page(of[::-1], asked.show.deployment_status)


def list_runs(asked: GitHubRequest) -> Document:
    """``actions/runs``: newest first; a filter by creation gives at most as many as the token's cap."""
    of = asked.world.of(asked.world.runs.values(), asked.repository)
    created = asked.query.get("created")
    chosen = [run for run in reversed(of) if created is None or _within(run, created)]
    page = asked.page(chosen, asked.show.run, most=asked.token.run_cap if created else None)
    return {"total_count": len(chosen), "workflow_runs": page}


def _within(run: Run, span: str) -> bool:
    """Whether a run was created in a span: ``A..B``, ``>=A`` or ``<=B``; the bounds are included."""
    first, _, last = span.partition("..") if ".." in span else (
        (span[2:], "", "*") if span.startswith(">=") else ("*", "", span[2:])
    )  # fmt: skip
    at = run.created // 1000 * 1000
    return all(
        end == "*" or not re.match(r"\d{4}-", end) or (at >= _ms(end) if low else at <= _ms(end))
        for end, low in ((first, True), (last, False))
    )


def _ms(text: str) -> int:
    found = as_datetime(text)
    if found is None:
        raise GitHubRefusal(422, "Validation Failed", errors=[f"{text} is no time"])
    return to_ms(found)


def show_run(asked: GitHubRequest) -> Document:
    """``actions/runs/{number}``: one run."""
    found = asked.world.runs.get(asked.number)
    if found is None or found.repository != asked.repository.id:
        raise GitHubRefusal(404, "Not Found")
    return asked.show.run(found)
