"""How GitHub shows what there is: one JSON document a thing, in the shape of the REST API of 2022-11-28."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any
from uuid import uuid4

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.github.state import (
    Account,
    Comment,
    Commit,
    Deployment,
    DeploymentStatus,
    Issue,
    Pull,
    Release,
    Repository,
    Review,
    Run,
)
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Document = dict[str, Any]

#: Web pages, as opposed to the API, are at a host of their own.
WEB = "https://code.example.com"

_REPOSITORY_PATHS = (
    "archive{/archive_format}{/ref}", "assignees{/user}", "git/blobs{/sha}", "branches{/branch}",
    "collaborators{/collaborator}", "comments{/number}", "commits{/sha}", "compare/{base}...{head}",
    "contents/{+path}", "contributors", "deployments", "downloads", "events", "forks", "git/commits{/sha}",
    "git/refs{/sha}", "git/tags{/sha}", "issues/comments{/number}", "issues/events{/number}", "issues{/number}",
    "keys{/key_id}", "labels{/name}", "languages", "merges", "milestones{/number}",
    "notifications{?since,all,participating}", "pulls{/number}", "releases{/id}", "stargazers", "statuses/{sha}",
    "subscribers", "subscription", "tags", "teams", "git/trees{/sha}", "hooks",
)  # fmt: skip
_REPOSITORY_URLS = (
    "archive", "assignees", "blobs", "branches", "collaborators", "comments", "commits", "compare", "contents",
    "contributors", "deployments", "downloads", "events", "forks", "git_commits", "git_refs", "git_tags",
    "issue_comment", "issue_events", "issues", "keys", "labels", "languages", "merges", "milestones",
    "notifications", "pulls", "releases", "stargazers", "statuses", "subscribers", "subscription", "tags", "teams",
    "trees", "hooks",
)  # fmt: skip
_USER_PATHS = {
    "followers_url": "/followers", "following_url": "/following{/other_user}", "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}", "subscriptions_url": "/subscriptions", "organizations_url": "/orgs",
    "repos_url": "/repos", "events_url": "/events{/privacy}", "received_events_url": "/received_events",
}  # fmt: skip


def iso(ms: int) -> str:
    """A time as GitHub writes it: UTC, whole seconds."""
    return f"{to_datetime(ms - ms % 1000):%Y-%m-%dT%H:%M:%SZ}"


def _clone_token() -> Document:
    """What opens a private repository for a while: another one in each answer."""
    return {"temp_clone_token": f"CLONE{uuid4().hex.upper()}"}


def _iso(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


@lru_cache(maxsize=100_000)
def _node(kind: str, number: int) -> str:
    return f"{kind}_{b64encode(str(number).encode()).decode().rstrip('=')}"


class Documents:
    """The documents of one world, with the API's own URL in them.

    Args:
        world: what there is.
        api: base URL of the API, such as ``http://127.0.0.1:8765/github``.
    """

    def __init__(self, world: GitHubWorld, api: str) -> None:
        self.world = world
        self.api = api
        self._shown: dict[int, Document] = {}

    def _at(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"

    def _web(self, repository: Repository) -> str:
        return f"{WEB}/{repository.full_name}"

    # --------------------------------------------------------------- people

    def user(self, account: Account) -> Document:
        """A simple user."""
        url = f"{self.api}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": _node("U", account.id),
            "avatar_url": f"{WEB}/avatars/{account.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{WEB}/{account.login}",
            **{name: url + path for name, path in _USER_PATHS.items()},
            "type": "User",
            "user_view_type": "public",
            "site_admin": False,
        }

    def _owner(self, login: str) -> Document:
        return {**self.user(Account(9_000_001, login, login, "")), "type": "Organization"}

    # --------------------------------------------------------- repositories

    def repository(self, repository: Repository) -> Document:
        """A repository as it is within other documents, and in lists."""
        if repository.id in self._shown:
            return self._shown[repository.id]
        at, web = self._at(repository), self._web(repository)
        open_issues = sum(i.repository == repository.id and i.closed is None for i in self.world.issues.values())
        self._shown[repository.id] = {
            "id": repository.id,
            "node_id": _node("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": True,
            "owner": self._owner(repository.owner),
            "html_url": web,
            "description": f"The {repository.name}",
            "fork": repository.fork,
            "url": at,
            **{f"{name}_url": f"{at}/{path}" for name, path in zip(_REPOSITORY_URLS, _REPOSITORY_PATHS, strict=True)},
            "created_at": iso(repository.created),
            "updated_at": iso(repository.updated),
            "pushed_at": iso(repository.pushed),
            "git_url": f"git://code.example.com/{repository.full_name}.git",
            "ssh_url": f"git@code.example.com:{repository.full_name}.git",
            "clone_url": f"{web}.git",
            "svn_url": web,
            "mirror_url": None,
            "homepage": None,
            "size": len(repository.commits),
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": "Python",
            "has_issues": repository.has_issues,
            "has_projects": False,
            "has_downloads": True,
            "has_wiki": False,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": 0,
            "archived": repository.archived,
            "disabled": False,
            "open_issues_count": open_issues,
            "license": None,
            "allow_forking": False,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": [],
            "visibility": "private",
            "forks": 0,
            "open_issues": open_issues,
            "watchers": 0,
            "default_branch": repository.default_branch,
            "permissions": {"admin": False, "maintain": False, "push": False, "triage": False, "pull": True},
        }
        return self._shown[repository.id]

    def minimal_repository(self, repository: Repository) -> Document:
        """A repository as runs show it: names and links, nothing that changes."""
        plain = ("id", "node_id", "name", "full_name", "private", "owner", "html_url", "description", "fork", "url")
        links = {f"{name}_url" for name in _REPOSITORY_URLS}
        return {name: value for name, value in self.repository(repository).items() if name in plain or name in links}

    def full_repository(self, repository: Repository) -> Document:
        """A repository that was asked for by itself."""
        return {**self.repository(repository), **_clone_token(), "network_count": 0, "subscribers_count": 3}

    # -------------------------------------------------------------- commits

    def commit(self, repository: Repository, commit: Commit) -> Document:
        """A commit, without its files."""
        at, web = self._at(repository), self._web(repository)
        author = {"name": commit.author.name, "email": commit.author.email}
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha[:20]}",
            "commit": {
                "author": {**author, "date": iso(commit.authored)},
                "committer": {**author, "date": iso(commit.committed)},
                "message": commit.message,
                "tree": {"sha": commit.sha[::-1], "url": f"{at}/git/trees/{commit.sha[::-1]}"},
                "url": f"{at}/git/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "url": f"{at}/commits/{commit.sha}",
            "html_url": f"{web}/commit/{commit.sha}",
            "comments_url": f"{at}/commits/{commit.sha}/comments",
            "author": self.user(commit.author),
            "committer": self.user(commit.author),
            "parents": [
                {"sha": sha, "url": f"{at}/commits/{sha}", "html_url": f"{web}/commit/{sha}"} for sha in commit.parents
            ],
        }

    # ----------------------------------------------- issues, pull requests

    def issue(self, issue: Issue) -> Document:
        """An issue; of a pull request, its issue side."""
        repository = self.world.repositories[issue.repository]
        at, web = self._at(repository), self._web(repository)
        url = f"{at}/issues/{issue.number}"
        kind = "pull" if issue.pull else "issues"
        shown = {
            "url": url,
            "repository_url": at,
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "timeline_url": f"{url}/timeline",
            "html_url": f"{web}/{kind}/{issue.number}",
            "id": issue.id,
            "node_id": _node("PR" if issue.pull else "I", issue.pull.id if issue.pull else issue.id),
            **self._conversation(issue),
            "comments": sum(c.issue is issue for c in self.world.issue_comments.values()),
            "closed_by": self.user(issue.closed_by) if issue.closed_by else None,
            "state_reason": "completed" if issue.closed and not issue.pull else None,
            "performed_via_github_app": None,
        }
        if issue.pull:
            shown["draft"] = issue.pull.draft
            shown["pull_request"] = {
                "url": f"{at}/pulls/{issue.number}",
                "html_url": f"{web}/pull/{issue.number}",
                "diff_url": f"{web}/pull/{issue.number}.diff",
                "patch_url": f"{web}/pull/{issue.number}.patch",
                "merged_at": _iso(issue.pull.merged),
            }
        return shown

    def _conversation(self, issue: Issue) -> Document:
        repository = self.world.repositories[issue.repository]
        return {
            "number": issue.number,
            "title": issue.title,
            "user": self.user(issue.author),
            "labels": [
                {
                    "id": 50_000_001 + sum(name.encode()),
                    "node_id": f"LA_{name}",
                    "url": f"{self._at(repository)}/labels/{name}",
                    "name": name,
                    "color": "d73a4a",
                    "default": True,
                    "description": None,
                }
                for name in issue.labels
            ],
            "state": "closed" if issue.closed is not None else "open",
            "locked": False,
            "active_lock_reason": None,
            "assignee": self.user(issue.assignee) if issue.assignee else None,
            "assignees": [self.user(issue.assignee)] if issue.assignee else [],
            "milestone": None,
            "created_at": iso(issue.created),
            "updated_at": iso(issue.updated),
            "closed_at": _iso(issue.closed),
            "author_association": "MEMBER",
            "body": issue.body,
        }

    def pull(self, pull: Pull, *, merge_sha: bool = True) -> Document:
        """A pull request as lists show it: without its numbers and without who merged it."""
        repository = self.world.repositories[pull.repository]
        at, number = self._at(repository), pull.issue.number
        url, web = f"{at}/pulls/{number}", f"{self._web(repository)}/pull/{number}"
        head, issue = pull.commits[-1], f"{at}/issues/{number}"
        places = {
            "url": url,
            "html_url": web,
            "issue_url": issue,
            "comments_url": f"{issue}/comments",
            "review_comments_url": f"{url}/comments",
            "review_comment_url": f"{at}/pulls/comments{{/number}}",
            "commits_url": f"{url}/commits",
            "statuses_url": f"{at}/statuses/{head}",
        }
        shown = {
            "id": pull.id,
            "node_id": _node("PR", pull.id),
            **places,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            **self._conversation(pull.issue),
            "merged_at": _iso(pull.merged),
            "merge_commit_sha": pull.merge_sha,
            "requested_reviewers": [self.user(reviewer) for reviewer in pull.reviewers],
            "requested_teams": [],
            "draft": pull.draft,
            "head": self._branch(repository, pull.branch, head),
            "base": self._branch(repository, pull.base, repository.head or head),
            "_links": {name.removesuffix("_url"): {"href": place} for name, place in places.items()},
            "auto_merge": None,
        }
        shown["_links"]["self"] = {"href": url}
        shown["_links"]["html"] = shown["_links"].pop("html", {"href": web})
        del shown["_links"]["url"]
        if not merge_sha:
            del shown["merge_commit_sha"]
        return shown

    def _branch(self, repository: Repository, name: str, sha: str) -> Document:
        return {
            "label": f"{repository.owner}:{name}",
            "ref": name,
            "sha": sha,
            "user": self._owner(repository.owner),
            "repo": self.repository(repository),
        }

    def full_pull(self, pull: Pull, *, merge_sha: bool = True) -> Document:
        """A pull request that was asked for by itself."""
        comments = self.world.issue_comments.values()
        shown = self.pull(pull, merge_sha=merge_sha)
        for end in (shown["head"], shown["base"]):
            end["repo"] = {**end["repo"], **_clone_token()}
        return {
            **shown,
            "merged": pull.merged is not None,
            "mergeable": None if pull.issue.closed else True,
            "rebaseable": None,
            "mergeable_state": "unknown" if pull.issue.closed else "clean",
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": sum(c.issue is pull.issue for c in comments),
            "review_comments": sum(c.issue is pull.issue for c in self.world.review_comments.values()),
            "maintainer_can_modify": False,
            "commits": len(pull.commits),
            "additions": pull.additions,
            "deletions": pull.deletions,
            "changed_files": pull.files,
        }

    def review(self, review: Review) -> Document:
        """A review."""
        repository = self.world.repositories[review.repository]
        number = review.pull.issue.number
        url = f"{self._at(repository)}/pulls/{number}"
        web = f"{self._web(repository)}/pull/{number}#pullrequestreview-{review.id}"
        return {
            "id": review.id,
            "node_id": _node("PRR", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "state": review.state,
            "html_url": web,
            "pull_request_url": url,
            "author_association": "MEMBER",
            "_links": {"html": {"href": web}, "pull_request": {"href": url}},
            "submitted_at": iso(review.submitted),
            "commit_id": review.sha,
        }

    def review_comment(self, comment: Comment) -> Document:
        """A comment on a line."""
        repository = self.world.repositories[comment.repository]
        at, number = self._at(repository), comment.issue.number
        url, pull = f"{at}/pulls/comments/{comment.id}", f"{at}/pulls/{number}"
        web = f"{self._web(repository)}/pull/{number}#discussion_r{comment.id}"
        shown = {
            "url": url,
            "pull_request_review_id": comment.review,
            "id": comment.id,
            "node_id": _node("PRRC", comment.id),
            "diff_hunk": "@@ -1,3 +1,9 @@",
            "path": comment.path,
            "commit_id": comment.sha,
            "original_commit_id": comment.sha,
            "user": self.user(comment.author),
            "body": comment.body,
            "created_at": iso(comment.created),
            "updated_at": iso(comment.updated),
            "html_url": web,
            "pull_request_url": pull,
            "author_association": "MEMBER",
            "_links": {"self": {"href": url}, "html": {"href": web}, "pull_request": {"href": pull}},
            "line": comment.line,
            "original_line": comment.line,
            "side": "RIGHT",
            "position": 1,
            "original_position": 1,
            "subject_type": "line",
        }
        return shown | ({"in_reply_to_id": comment.reply_to} if comment.reply_to else {})

    def issue_comment(self, comment: Comment) -> Document:
        """A comment in a conversation."""
        repository = self.world.repositories[comment.repository]
        at, number = self._at(repository), comment.issue.number
        kind = "pull" if comment.issue.pull else "issues"
        return {
            "url": f"{at}/issues/comments/{comment.id}",
            "html_url": f"{self._web(repository)}/{kind}/{number}#issuecomment-{comment.id}",
            "issue_url": f"{at}/issues/{number}",
            "id": comment.id,
            "node_id": _node("IC", comment.id),
            "user": self.user(comment.author),
            "created_at": iso(comment.created),
            "updated_at": iso(comment.updated),
            "body": comment.body,
            "author_association": "MEMBER",
            "performed_via_github_app": None,
        }

    # ----------------------------------- releases, deployments and runs

    def release(self, release: Release) -> Document:
        """A release."""
        repository = self.world.repositories[release.repository]
        at = self._at(repository)
        return {
            "url": f"{at}/releases/{release.id}",
            "assets_url": f"{at}/releases/{release.id}/assets",
            "upload_url": f"{at}/releases/{release.id}/assets{{?name,label}}",
            "html_url": f"{self._web(repository)}/releases/tag/{release.tag}",
            "id": release.id,
            "author": self.user(release.author),
            "node_id": _node("RE", release.id),
            "tag_name": release.tag,
            "target_commitish": repository.default_branch,
            "name": release.name,
            "draft": False,
            "prerelease": release.prerelease,
            "created_at": iso(release.created),
            "published_at": iso(release.published),
            "assets": [],
            "tarball_url": f"{at}/tarball/{release.tag}",
            "zipball_url": f"{at}/zipball/{release.tag}",
            "body": release.body,
        }

    def deployment(self, deployment: Deployment) -> Document:
        """A deployment."""
        repository = self.world.repositories[deployment.repository]
        url = f"{self._at(repository)}/deployments/{deployment.id}"
        return {
            "url": url,
            "id": deployment.id,
            "node_id": _node("DE", deployment.id),
            "task": "deploy",
            "original_environment": deployment.environment,
            "environment": deployment.environment,
            "description": None,
            "created_at": iso(deployment.created),
            "updated_at": iso(deployment.updated),
            "statuses_url": f"{url}/statuses",
            "repository_url": self._at(repository),
            "creator": self.user(deployment.creator),
            "sha": deployment.sha,
            "ref": deployment.ref,
            "payload": {},
            "transient_environment": False,
            "production_environment": deployment.environment == "production",
            "performed_via_github_app": None,
        }

    def deployment_status(self, status: DeploymentStatus) -> Document:
        """A status of a deployment."""
        repository = self.world.repositories[status.repository]
        url = f"{self._at(repository)}/deployments/{status.deployment.id}"
        return {
            "url": f"{url}/statuses/{status.id}",
            "id": status.id,
            "node_id": _node("DES", status.id),
            "state": status.state,
            "creator": self.user(status.creator),
            "description": status.description,
            "environment": status.deployment.environment,
            "target_url": "",
            "created_at": iso(status.created),
            "updated_at": iso(status.created),
            "deployment_url": url,
            "repository_url": self._at(repository),
            "environment_url": "",
            "log_url": "",
            "performed_via_github_app": None,
        }

    def run(self, run: Run) -> Document:
        """A run of a workflow."""
        repository = self.world.repositories[run.repository]
        at, commit = self._at(repository), repository.commits[run.sha]
        url = f"{at}/actions/runs/{run.id}"
        person = {"name": commit.author.name, "email": commit.author.email}
        minimal = {"id": repository.id, "url": at, "name": repository.name}
        return {
            "id": run.id,
            "name": run.name,
            "node_id": _node("WFR", run.id),
            "head_branch": run.branch,
            "head_sha": run.sha,
            "path": f".github/workflows/{run.name.lower()}.yml",
            "display_title": run.title,
            "run_number": run.number,
            "event": run.event,
            "status": run.status,
            "conclusion": run.conclusion,
            "workflow_id": run.workflow,
            "check_suite_id": run.id + 1,
            "check_suite_node_id": _node("CS", run.id),
            "url": url,
            "html_url": f"{self._web(repository)}/actions/runs/{run.id}",
            "pull_requests": [
                {
                    "url": f"{at}/pulls/{run.pull.issue.number}",
                    "id": run.pull.id,
                    "number": run.pull.issue.number,
                    "head": {"ref": run.branch, "sha": run.sha, "repo": minimal},
                    "base": {"ref": run.pull.base, "sha": commit.parents[0], "repo": minimal},
                }
            ]
            if run.pull and run.pull.issue.closed is None
            else [],
            "created_at": iso(run.created),
            "updated_at": iso(run.updated),
            "actor": self.user(run.actor),
            "run_attempt": run.attempt,
            "referenced_workflows": [],
            "run_started_at": iso(run.started),
            "triggering_actor": self.user(run.actor),
            "jobs_url": f"{url}/jobs",
            "logs_url": f"{url}/logs",
            "check_suite_url": f"{at}/check-suites/{run.id + 1}",
            "artifacts_url": f"{url}/artifacts",
            "cancel_url": f"{url}/cancel",
            "rerun_url": f"{url}/rerun",
            "previous_attempt_url": f"{url}/attempts/{run.attempt - 1}" if run.attempt > 1 else None,
            "workflow_url": f"{at}/actions/workflows/{run.workflow}",
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.sha[::-1],
                "message": commit.message,
                "timestamp": iso(commit.committed),
                "author": person,
                "committer": person,
            },
            "repository": self.minimal_repository(repository),
            "head_repository": self.minimal_repository(repository),
        }
