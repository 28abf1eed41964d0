"""The records of the sandbox's GitHub. Times are epoch milliseconds; GitHub shows whole seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class GitHubAccount:
    """One user account."""

    id: int
    login: str
    name: str
    email: str


@dataclass
class Commit:
    """One commit. ``committed`` is the date by the committer's machine, which may be wrong in any way."""

    sha: str
    message: str
    author: GitHubAccount
    authored: int
    committed: int
    parents: list[str]


@dataclass
class Repository:
    """One repository; ``main`` lists the commits that its default branch reaches, oldest first."""

    id: int
    owner: str
    name: str
    created: int
    updated: int
    pushed: int
    default_branch: str = "main"
    archived: bool = False
    hidden: bool = False
    has_issues: bool = True
    fork: bool = False
    main: list[str] = field(default_factory=list)
    commits: dict[str, Commit] = field(default_factory=dict)
    former_names: list[str] = field(default_factory=list)
    last_number: int = 0
    last_run: int = 0

    @property
    def full_name(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    @property
    def head(self) -> str | None:
        """The newest commit of the default branch; None in an empty repository."""
        return self.main[-1] if self.main else None

    def reached_from(self, sha: str) -> set[str]:
        """The commit and all of its ancestors."""
        found: set[str] = set()
        waiting = [sha]
        while waiting:
            at = waiting.pop()
            if at not in found and at in self.commits:
                found.add(at)
                waiting += self.commits[at].parents
        return found


@dataclass
class GitHubIssue:
    """An issue, or the issue side of a pull request: both are numbered in one sequence."""

    id: int
    repository: int
    number: int
    title: str
    body: str
    author: GitHubAccount
    created: int
    updated: int
    closed: int | None = None
    closed_by: GitHubAccount | None = None
    labels: list[str] = field(default_factory=list)
    assignee: GitHubAccount | None = None
    pull: Pull | None = None


@dataclass
class Pull:
    """The pull-request side of an issue; title, state and update time are those of the issue."""

    id: int
    issue: GitHubIssue
    branch: str
    base: str
    commits: list[str]
    draft: bool = False
    merged: int | None = None
    merged_by: GitHubAccount | None = None
    merge_sha: str | None = None
    additions: int = 0
    deletions: int = 0
    files: int = 1
    reviewers: list[GitHubAccount] = field(default_factory=list)

    @property
    def repository(self) -> int:
        """The repository's id."""
        return self.issue.repository


@dataclass
class Review:
    """One submitted review."""

    id: int
    pull: Pull
    author: GitHubAccount
    state: str
    body: str
    submitted: int
    sha: str

    @property
    def repository(self) -> int:
        """The repository's id."""
        return self.pull.repository


@dataclass
class GitHubComment:
    """A comment on an issue or pull request, or, with a path, on a line of a pull request's diff."""

    id: int
    issue: GitHubIssue
    author: GitHubAccount
    body: str
    created: int
    updated: int
    review: int | None = None
    path: str | None = None
    line: int = 1
    reply_to: int | None = None
    sha: str = ""

    @property
    def repository(self) -> int:
        """The repository's id."""
        return self.issue.repository


@dataclass
class GitHubRelease:
    """One release."""

    id: int
    repository: int
    tag: str
    name: str
    body: str
    author: GitHubAccount
    created: int
    published: int
    prerelease: bool = False


@dataclass
class Deployment:
    """One deployment."""

    id: int
    repository: int
    sha: str
    ref: str
    environment: str
    creator: GitHubAccount
    created: int
    updated: int


@dataclass
class DeploymentStatus:
    """One status of a deployment."""

    id: int
    deployment: Deployment
    state: str
    description: str
    creator: GitHubAccount
    created: int

    @property
    def repository(self) -> int:
        """The repository's id."""
        return self.deployment.repository


@dataclass
class Run:
    """One run of a workflow."""

    id: int
    repository: int
    workflow: int
    name: str
    number: int
    event: str
    branch: str
    sha: str
    title: str
    actor: GitHubAccount
    created: int
    updated: int
    started: int
    status: str = "completed"
    conclusion: str | None = "success"
    attempt: int = 1
    pull: Pull | None = None
