"""Repositories, commits and people as GitHub shows them, and what every other document shares with them."""

from __future__ import annotations

from base64 import b64encode
from functools import lru_cache
from typing import Any
from uuid import uuid4

from impulsum_pipelines.sandbox.clock import to_datetime
from impulsum_pipelines.sandbox.github.state import Commit, GitHubAccount, Repository
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Document = dict[str, Any]

#: Host of the web pages, which is another one than the API's.
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


def clone_token() -> Document:
    """A token that clones a private repository for a while: another one in each answer."""
    return {"temp_clone_token": f"CLONE{uuid4().hex.upper()}"}


def iso_or_none(ms: int | None) -> str | None:
    """:func:`iso` of a time that may be missing."""
    return None if ms is None else iso(ms)


@lru_cache(maxsize=100_000)
def node_id(kind: str, number: int) -> str:
    """The global id of a thing, made of its kind (such as ``PR``) and its number."""
    return f"{kind}_{b64encode(str(number).encode()).decode().rstrip('=')}"


class RepositoryDocuments:
    """The documents of one world, with the API's own URL in their links.

    Args:
        world: what they show.
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

    def user(self, account: GitHubAccount) -> Document:
        """A user, in the short form of lists and other documents."""
        url = f"{self.api}/users/{account.login}"
        return {
            "login": account.login,
            "id": account.id,
            "node_id": node_id("U", account.id),
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
        return {**self.user(GitHubAccount(9_000_001, login, login, "")), "type": "Organization"}

    # --------------------------------------------------------- repositories

    def repository(self, repository: Repository) -> Document:
        """A repository in lists and inside other documents."""
        if repository.id in self._shown:
            return self._shown[repository.id]
        at, web = self._at(repository), self._web(repository)
        open_issues = sum(i.repository == repository.id and i.closed is None for i in self.world.issues.values())
        self._shown[repository.id] = {
            "id": repository.id,
            "node_id": node_id("R", repository.id),
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
        """A repository inside a run: names and links, nothing that changes."""
        plain = ("id", "node_id", "name", "full_name", "private", "owner", "html_url", "description", "fork", "url")
        links = {f"{name}_url" for name in _REPOSITORY_URLS}
        return {name: value for name, value in self.repository(repository).items() if name in plain or name in links}

    def full_repository(self, repository: Repository) -> Document:
        """A repository that was asked for on its own."""
        return {**self.repository(repository), **clone_token(), "network_count": 0, "subscribers_count": 3}

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
