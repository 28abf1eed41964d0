"""The edits of the sandbox's GitHub, each at a given time; the generated history and the control door make them."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from itertools import count
from typing import TypeVar

from impulsum_pipelines.sandbox.clock import Clock
from impulsum_pipelines.sandbox.github.state import (
    Commit,
    Deployment,
    DeploymentStatus,
    GitHubAccount,
    GitHubComment,
    GitHubIssue,
    GitHubRelease,
    Pull,
    Repository,
    Review,
    Run,
)

OWNER = "harbour"
REPOSITORIES = ("platform", "mobile", "operations")
ENVIRONMENTS = ("staging", "production")
#: How the message of the first commit of a pull request goes on in the next ones.
_FOLLOW_UPS = ("", ": tests", ": changes after the review")
WORKFLOWS = {"CI": 501, "Deploy": 502}

T = TypeVar("T", Review, GitHubComment, GitHubRelease, Deployment, DeploymentStatus, Run)


class GitHubWorld:
    """Everything at the sandbox's GitHub.

    Args:
        clock: the team's clock.
        people: the user accounts.
        seed: commit ids are made from it.
    """

    def __init__(self, clock: Clock, people: list[GitHubAccount], seed: int) -> None:
        self.clock = clock
        self.people = people
        self.seed = seed
        self.repositories: dict[int, Repository] = {}
        self.issues: dict[int, GitHubIssue] = {}
        self.pulls: dict[int, Pull] = {}
        self.reviews: dict[int, Review] = {}
        self.review_comments: dict[int, GitHubComment] = {}
        self.issue_comments: dict[int, GitHubComment] = {}
        self.releases: dict[int, GitHubRelease] = {}
        self.deployments: dict[int, Deployment] = {}
        self.statuses: dict[int, DeploymentStatus] = {}
        self.runs: dict[int, Run] = {}
        #: Issues that are gone, by (repository, number): the issue that a transfer made, or None for a deleted one.
        self.gone: dict[tuple[int, int], GitHubIssue | None] = {}
        self._ids = {name: count(start) for name, start in _FIRST_IDS.items()}
        self._commits = count(1)

    # ------------------------------------------------------------- reading

    def find(self, owner: str, name: str) -> Repository | None:
        """A repository by its present name."""
        wanted = f"{owner}/{name}".lower()
        return next((r for r in self.repositories.values() if r.full_name.lower() == wanted), None)

    def renamed(self, owner: str, name: str) -> Repository | None:
        """A repository by a former name."""
        wanted = f"{owner}/{name}".lower()
        return next((r for r in self.repositories.values() if wanted in r.former_names), None)

    def of(self, things: Iterable[T], repository: Repository) -> list[T]:
        """The things that belong to a repository."""
        return [thing for thing in things if thing.repository == repository.id]

    def numbered(self, repository: Repository, number: int) -> GitHubIssue:
        """An issue or pull request by its number.

        Raises:
            LookupError: there is none.
        """
        for issue in self.issues.values():
            if issue.repository == repository.id and issue.number == number:
                return issue
        raise LookupError(f"there is no number {number} in {repository.full_name}")

    def pull(self, repository: Repository, number: int) -> Pull:
        """A pull request by its number.

        Raises:
            LookupError: there is none.
        """
        found = self.numbered(repository, number).pull
        if found is None:
            raise LookupError(f"{number} of {repository.full_name} is no pull request")
        return found

    # -------------------------------------------------------- repositories

    def create_repository(self, name: str, at: int, owner: str = OWNER) -> Repository:
        """Create an empty repository."""
        made = Repository(next(self._ids["repository"]), owner, name, created=at, updated=at, pushed=at)
        self.repositories[made.id] = made
        return made

    def rename(self, repository: Repository, owner: str, name: str, at: int) -> None:
        """Rename or transfer a repository: the old name answers 301 until another repository takes it."""
        repository.former_names.append(repository.full_name.lower())
        repository.owner, repository.name, repository.updated = owner, name, at

    # ------------------------------------------------------------- commits

    def commit(
        self, repository: Repository, author: GitHubAccount, message: str, at: int, parents: list[str]
    ) -> Commit:
        """Make a commit that is on no branch yet; ``at`` (epoch ms) is the time of its committer's machine."""
        sha = sha1(f"{self.seed}-{next(self._commits)}".encode(), usedforsecurity=False).hexdigest()
        made = Commit(sha, message, author, authored=at, committed=at, parents=parents)
        repository.commits[sha] = made
        return made

    def push(
        self, repository: Repository, author: GitHubAccount, message: str, at: int, dated: int | None = None
    ) -> Commit:
        """Push a commit to the default branch at ``at``; ``dated`` is the committer's date, ``at`` when None."""
        parents = [repository.head] if repository.head else []
        made = self.commit(repository, author, message, dated if dated is not None else at, parents)
        repository.main.append(made.sha)
        repository.pushed = at
        return made

    def force_push(self, repository: Repository, drop: int, at: int) -> list[str]:
        """Rewrite the newest commits of the default branch as one; returns those that it no longer reaches."""
        if not 0 < drop < len(repository.main):
            raise ValueError(f"{repository.full_name} has {len(repository.main)} commits")
        before = list(repository.main)
        author = repository.commits[before[-1]].author
        base = before[: len(before) - drop]
        made = self.commit(repository, author, "Rewritten", at, [base[-1]])
        reached = repository.reached_from(base[-1])
        repository.main = [sha for sha in base if sha in reached] + [made.sha]
        repository.pushed = at
        return [sha for sha in before if sha not in repository.main]

    # ------------------------------------------- issues and pull requests

    def _number(self, repository: Repository) -> int:
        repository.last_number += 1
        return repository.last_number

    def open_issue(
        self, repository: Repository, author: GitHubAccount, title: str, at: int, body: str = ""
    ) -> GitHubIssue:
        """Open an issue."""
        made = GitHubIssue(
            next(self._ids["issue"]), repository.id, self._number(repository), title, body, author, at, at
        )  # fmt: skip
        self.issues[made.id] = made
        return made

    def open_pull(
        self, repository: Repository, author: GitHubAccount, title: str, at: int, commits: int, branch: str
    ) -> Pull:
        """Open a pull request into the default branch, with this many commits."""
        issue = self.open_issue(repository, author, title, at, f"Closes the ticket in the title: {title}")
        made = Pull(next(self._ids["pull"]), issue, branch, repository.default_branch, [])
        issue.pull = self.pulls[made.id] = made
        for number in range(commits):
            self.push_to_pull(made, author, title + _FOLLOW_UPS[min(number, len(_FOLLOW_UPS) - 1)], at)
        return made

    def push_to_pull(self, pull: Pull, author: GitHubAccount, message: str, at: int) -> Commit:
        """Push one more commit to a pull request."""
        repository = self.repositories[pull.repository]
        tip = pull.commits[-1] if pull.commits else repository.head
        made = self.commit(repository, author, message, at, [tip] if tip else [])
        pull.commits.append(made.sha)
        pull.additions += 10 + len(message)
        pull.deletions += len(message) // 3
        pull.files = min(1 + len(pull.commits), 9)
        repository.pushed = pull.issue.updated = at
        return made

    def force_push_pull(self, pull: Pull, at: int) -> list[str]:
        """Replace the commits of a pull request by one; returns the replaced ones."""
        dropped, pull.commits = pull.commits, []
        self.push_to_pull(pull, pull.issue.author, f"{pull.issue.title} (squashed)", at)
        return dropped

    def review(self, pull: Pull, author: GitHubAccount, state: str, at: int, body: str = "") -> Review:
        """Submit a review: APPROVED, CHANGES_REQUESTED or COMMENTED."""
        made = Review(next(self._ids["review"]), pull, author, state, body, at, pull.commits[-1])
        self.reviews[made.id] = made
        pull.issue.updated = at
        return made

    def dismiss(self, review: Review, at: int) -> None:
        """Dismiss a review."""
        review.state = "DISMISSED"
        review.pull.issue.updated = at

    def review_comment(self, review: Review, text: str, at: int, reply_to: int | None = None) -> GitHubComment:
        """Comment on a line of the diff."""
        made = GitHubComment(
            next(self._ids["review_comment"]), review.pull.issue, review.author, text, at, at,
            review=review.id, path="src/main.py", line=7, reply_to=reply_to, sha=review.sha,
        )  # fmt: skip
        self.review_comments[made.id] = made
        review.pull.issue.updated = at
        return made

    def comment(self, issue: GitHubIssue, author: GitHubAccount, text: str, at: int) -> GitHubComment:
        """Comment on an issue or pull request."""
        made = GitHubComment(next(self._ids["issue_comment"]), issue, author, text, at, at)
        self.issue_comments[made.id] = made
        issue.updated = at
        return made

    def merge(self, pull: Pull, author: GitHubAccount, at: int, method: str = "squash") -> None:
        """Merge a pull request by ``squash``, ``merge`` or ``rebase``."""
        repository = self.repositories[pull.repository]
        tip = [repository.head] if repository.head else []
        if method == "rebase":
            for sha in pull.commits:
                old = repository.commits[sha]
                made = self.commit(repository, old.author, old.message, at, tip)
                made.authored = old.authored
                repository.main.append(made.sha)
                tip = [made.sha]
        else:
            if method == "merge":
                reached = set(repository.main)
                repository.main += [sha for sha in pull.commits if sha not in reached]
                tip.append(pull.commits[-1])
            title = f"{pull.issue.title} (#{pull.issue.number})"
            repository.main.append(self.commit(repository, author, title, at, tip).sha)
        pull.merged, pull.merged_by, pull.merge_sha = at, author, repository.head
        repository.pushed = at
        self.close(pull.issue, author, at)

    def close(self, issue: GitHubIssue, author: GitHubAccount, at: int) -> None:
        """Close an issue or pull request."""
        issue.closed, issue.closed_by, issue.updated = at, author, at

    def reopen(self, issue: GitHubIssue, at: int) -> None:
        """Reopen an issue or pull request."""
        issue.closed, issue.closed_by, issue.updated = None, None, at

    def remove_issue(self, issue: GitHubIssue, successor: GitHubIssue | None = None) -> None:
        """Delete an issue with its comments; ``successor`` is the issue that a transfer made of it."""
        del self.issues[issue.id]
        self.gone[issue.repository, issue.number] = successor
        for comment in [c for c in self.issue_comments.values() if c.issue is issue]:
            del self.issue_comments[comment.id]

    def transfer(self, issue: GitHubIssue, repository: Repository, at: int) -> GitHubIssue:
        """Move an issue to another repository: it gets another id and number, and so do its comments."""
        moved = self.open_issue(repository, issue.author, issue.title, issue.created, issue.body)
        moved.updated = at
        for comment in [c for c in self.issue_comments.values() if c.issue is issue]:
            copied = self.comment(moved, comment.author, comment.body, at)
            copied.created = comment.created
        self.remove_issue(issue, moved)
        return moved

    # ------------------------------------- releases, deployments and runs

    def release(self, repository: Repository, author: GitHubAccount, tag: str, at: int) -> GitHubRelease:
        """Release the newest commit; ``created`` of the release is that commit's date."""
        dated = repository.commits[repository.main[-1]].committed
        made = GitHubRelease(next(self._ids["release"]), repository.id, tag, tag, "Changes", author, dated, at)
        self.releases[made.id] = made
        return made

    def deploy(self, repository: Repository, author: GitHubAccount, environment: str, at: int) -> Deployment:
        """Deploy the newest commit."""
        sha = repository.main[-1]
        made = Deployment(
            next(self._ids["deployment"]), repository.id, sha, repository.default_branch, environment, author, at, at
        )
        self.deployments[made.id] = made
        return made

    def deployment_status(self, deployment: Deployment, state: str, author: GitHubAccount, at: int) -> DeploymentStatus:
        """Give a deployment a status. As at GitHub, a success makes earlier ones in the environment inactive."""
        made = DeploymentStatus(next(self._ids["status"]), deployment, state, f"is {state}", author, at)
        self.statuses[made.id] = made
        if state == "success":
            for other in self.deployments.values():
                same = (other.repository, other.environment) == (deployment.repository, deployment.environment)
                if same and other.id < deployment.id and self.state_of(other) == "success":
                    inactive = DeploymentStatus(next(self._ids["status"]), other, "inactive", "", author, at)
                    self.statuses[inactive.id] = inactive
        return made

    def state_of(self, deployment: Deployment) -> str | None:
        """The newest state of a deployment; None when it has no status."""
        return next((s.state for s in reversed(self.statuses.values()) if s.deployment is deployment), None)

    def run(
        self,
        repository: Repository,
        actor: GitHubAccount,
        at: int,
        *,
        name: str = "CI",
        event: str = "push",
        pull: Pull | None = None,
        conclusion: str | None = "success",
        ended: int | None = None,
    ) -> Run:
        """Run a workflow; a run without a conclusion is in progress."""
        repository.last_run += 1
        sha = pull.commits[-1] if pull else repository.main[-1]
        made = Run(
            next(self._ids["run"]), repository.id, WORKFLOWS[name], name, repository.last_run, event,
            pull.branch if pull else repository.default_branch, sha, repository.commits[sha].message, actor,
            created=at, updated=at if ended is None else ended, started=at,
            status="completed" if conclusion else "in_progress", conclusion=conclusion, pull=pull,
        )  # fmt: skip
        self.runs[made.id] = made
        return made


_FIRST_IDS = {
    "repository": 71_000_001,
    "issue": 2_200_000_001,
    "pull": 1_900_000_001,
    "review": 1_700_000_001,
    "review_comment": 1_500_000_001,
    "issue_comment": 1_300_000_001,
    "release": 90_000_001,
    "deployment": 800_000_001,
    "status": 1_100_000_001,
    "run": 6_000_000_001,
}
