"""GitHub's verbs at the control door. Repositories are named by name, issues and pull requests by number."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from impulsum_pipelines.sandbox.clock import to_ms
from impulsum_pipelines.sandbox.github.request import GitHubToken
from impulsum_pipelines.sandbox.github.state import GitHubAccount, GitHubComment, Repository
from impulsum_pipelines.sandbox.github.truth import truth
from impulsum_pipelines.sandbox.github.world import GitHubWorld

Answer = dict[str, Any]


class GitHubControl:
    """The verbs. People are numbered from 0."""

    def __init__(self, world: GitHubWorld, token: GitHubToken) -> None:
        self._world = world
        self._token = token

    def _repository(self, name: str) -> Repository:
        for repository in self._world.repositories.values():
            if name in (repository.name, repository.full_name):
                return repository
        raise LookupError(f"there is no repository {name}")

    def _person(self, number: int) -> GitHubAccount:
        return self._world.people[number % len(self._world.people)]

    @property
    def _now(self) -> int:
        return self._world.clock.tick()

    def _comment(self, comment: int) -> tuple[dict[int, GitHubComment], GitHubComment]:
        for comments in (self._world.issue_comments, self._world.review_comments):
            if comment in comments:
                return comments, comments[comment]
        raise LookupError(f"there is no comment {comment}")

    # -- reading

    def truth(self) -> Answer:
        """Every record that the source must have stored now, by raw table and id."""
        return truth(self._world)

    def pull_requests(self) -> Answer:
        """Every pull request: repository, number, title, state."""
        repositories = self._world.repositories
        return {
            "pull_requests": [
                {
                    "id": pull.id,
                    "repository": repositories[pull.repository].name,
                    "number": pull.issue.number,
                    "title": pull.issue.title,
                    "open": pull.issue.closed is None,
                }
                for pull in self._world.pulls.values()
                if pull.issue.id in self._world.issues
            ]
        }

    def stats(self) -> Answer:
        """What the limits counted: requests used in this hour, and refused ones."""
        return {"used": self._token.limits.used, "refused": self._token.limits.refused}

    # -- commits and pull requests

    def push(
        self,
        repository: str = "platform",
        pull: int | None = None,
        dated: str | None = None,
        count: int = 1,
        author: int = 0,
    ) -> Answer:
        """Push commits to the default branch or to a pull request; ``dated`` is the committer's date, else now."""
        at, home = self._now, self._repository(repository)
        when = to_ms(datetime.fromisoformat(dated)) if dated else None
        for number in range(count):
            if pull is not None:
                made = self._world.push_to_pull(self._world.pull(home, pull), self._person(author), "More", at)
                made.committed = when if when is not None else made.committed
            else:
                made = self._world.push(home, self._person(author), f"Pushed {number + 1}", at, when)
        return {"sha": made.sha}

    def force_push(self, repository: str = "platform", pull: int | None = None, drop: int = 1) -> Answer:
        """Rewrite the newest commits of the default branch, or all of a pull request."""
        home = self._repository(repository)
        if pull is not None:
            return {"dropped": self._world.force_push_pull(self._world.pull(home, pull), self._now)}
        return {"dropped": self._world.force_push(home, drop, self._now)}

    def forget_commits(self, repository: str = "platform") -> Answer:
        """Delete the commits that no branch and no pull request reaches, as git does after some time."""
        home = self._repository(repository)
        kept = set(home.main).union(*(p.commits for p in self._world.pulls.values() if p.repository == home.id))
        forgotten = [sha for sha in home.commits if sha not in kept]
        for sha in forgotten:
            del home.commits[sha]
        return {"forgotten": forgotten}

    def open_pull_request(
        self, repository: str = "platform", title: str = "A change", commits: int = 2, author: int = 0
    ) -> Answer:
        """Open a pull request."""
        home = self._repository(repository)
        pull = self._world.open_pull(
            home, self._person(author), title, self._now, commits, f"change-{home.last_number}"
        )
        return {"id": pull.id, "number": pull.issue.number}

    def review(
        self, number: int, repository: str = "platform", state: str = "APPROVED", author: int = 1, line: str = ""
    ) -> Answer:
        """Review a pull request; ``line`` is the text of a comment on a line of the diff."""
        at = self._now
        pull = self._world.pull(self._repository(repository), number)
        made = self._world.review(pull, self._person(author), state, at)
        comment = self._world.review_comment(made, line, at) if line else None
        return {"id": made.id, "comment": comment.id if comment else None}

    def dismiss_review(self, review: int) -> Answer:
        """Dismiss a review."""
        self._world.dismiss(self._world.reviews[review], self._now)
        return {}

    def comment(self, number: int, repository: str = "platform", text: str = "A comment", author: int = 1) -> Answer:
        """Comment on an issue or pull request."""
        issue = self._world.numbered(self._repository(repository), number)
        return {"id": self._world.comment(issue, self._person(author), text, self._now).id}

    def edit_comment(self, comment: int, text: str = "Edited") -> Answer:
        """Edit a comment of either kind; its issue or pull request does not change."""
        _, found = self._comment(comment)
        found.body, found.updated = text, self._now
        return {}

    def delete_comment(self, comment: int) -> Answer:
        """Delete a comment of either kind; nothing shows afterwards that it existed."""
        comments, found = self._comment(comment)
        del comments[found.id]
        return {}

    def merge(self, number: int, repository: str = "platform", method: str = "squash", author: int = 2) -> Answer:
        """Merge a pull request: squash, merge or rebase."""
        pull = self._world.pull(self._repository(repository), number)
        self._world.merge(pull, self._person(author), self._now, method)
        return {"sha": pull.merge_sha}

    def close(self, number: int, repository: str = "platform") -> Answer:
        """Close an issue or pull request."""
        issue = self._world.numbered(self._repository(repository), number)
        self._world.close(issue, issue.author, self._now)
        return {}

    def edit_title(self, number: int, title: str, repository: str = "platform") -> Answer:
        """Change the title of an issue or pull request."""
        issue = self._world.numbered(self._repository(repository), number)
        issue.title, issue.updated = title, self._now
        return {}

    # -- issues

    def create_issue(self, repository: str = "platform", title: str = "A report", author: int = 0) -> Answer:
        """Open an issue."""
        made = self._world.open_issue(self._repository(repository), self._person(author), title, self._now)
        return {"id": made.id, "number": made.number}

    def transfer_issue(self, number: int, to: str, repository: str = "platform") -> Answer:
        """Transfer an issue to another repository, where it gets another id and number."""
        issue = self._world.numbered(self._repository(repository), number)
        moved = self._world.transfer(issue, self._repository(to), self._now)
        return {"id": moved.id, "number": moved.number}

    def delete_issue(self, number: int, repository: str = "platform") -> Answer:
        """Delete an issue."""
        self._world.remove_issue(self._world.numbered(self._repository(repository), number))
        return {}

    # -- repositories

    def create_repository(self, name: str, fork_of: str | None = None) -> Answer:
        """Create an empty repository, or a fork with the same commits."""
        made = self._world.create_repository(name, self._now)
        if fork_of:
            origin = self._repository(fork_of)
            made.fork, made.main, made.commits = True, list(origin.main), dict(origin.commits)
        return {"id": made.id}

    def rename_repository(self, repository: str, name: str, owner: str | None = None) -> Answer:
        """Rename a repository, or transfer it to another owner."""
        home = self._repository(repository)
        self._world.rename(home, owner or home.owner, name, self._now)
        return {}

    def archive_repository(self, repository: str, archived: bool = True) -> Answer:
        """Archive a repository, or restore it."""
        home = self._repository(repository)
        home.archived, home.updated = archived, self._now
        return {}

    def hide_repository(self, repository: str, hidden: bool = True) -> Answer:
        """Hide a repository from the token, or show it again."""
        self._repository(repository).hidden = hidden
        return {}

    def disable_issues(self, repository: str, disabled: bool = True) -> Answer:
        """Turn the issues of a repository off or on; its pull requests stay."""
        self._repository(repository).has_issues = not disabled
        return {}

    # -- releases, deployments, runs

    def release(self, repository: str = "platform", tag: str = "v9.0.0") -> Answer:
        """Publish a release."""
        return {"id": self._world.release(self._repository(repository), self._person(0), tag, self._now).id}

    def delete_release(self, release: int) -> Answer:
        """Delete a release."""
        del self._world.releases[release]
        return {}

    def deploy(self, repository: str = "platform", environment: str = "production", state: str | None = None) -> Answer:
        """Deploy the newest commit; with a state, give the deployment that status at once."""
        at = self._now
        made = self._world.deploy(self._repository(repository), self._person(0), environment, at)
        if state:
            self._world.deployment_status(made, state, self._person(0), at)
        return {"id": made.id}

    def deployment_status(self, deployment: int, state: str = "success") -> Answer:
        """Give a deployment a status; the deployment itself does not change."""
        found = self._world.deployments[deployment]
        return {"id": self._world.deployment_status(found, state, self._person(0), self._now).id}

    def delete_deployment(self, deployment: int) -> Answer:
        """Delete a deployment with its statuses."""
        found = self._world.deployments.pop(deployment)
        for status in [s for s in self._world.statuses.values() if s.deployment is found]:
            del self._world.statuses[status.id]
        return {}

    def run_workflow(self, repository: str = "platform", conclusion: str | None = "success", count: int = 1) -> Answer:
        """Run a workflow; without a conclusion the run is in progress."""
        home = self._repository(repository)
        made = [self._world.run(home, self._person(0), self._now, conclusion=conclusion) for _ in range(count)]
        return {"id": made[-1].id}

    def finish_run(self, run: int, conclusion: str = "success") -> Answer:
        """End a run that is in progress."""
        found = self._world.runs[run]
        found.status, found.conclusion, found.updated = "completed", conclusion, self._now
        return {}

    def rerun(self, run: int, conclusion: str | None = "success") -> Answer:
        """Run a workflow again: the same run, its next attempt."""
        found, at = self._world.runs[run], self._now
        found.attempt += 1
        found.started = found.updated = at
        found.status, found.conclusion = ("completed", conclusion) if conclusion else ("in_progress", None)
        return {}

    def delete_run(self, run: int) -> Answer:
        """Delete a run."""
        del self._world.runs[run]
        return {}

    # -- the token

    def revoke_token(self, revoked: bool = True) -> Answer:
        """Revoke the token, or make it valid again."""
        self._token.revoked = revoked
        return {}

    def deny(self, permission: str, denied: bool = True) -> Answer:
        """Take a permission (contents, issues, pull_requests, deployments, actions, metadata), or give it back."""
        (self._token.denied.add if denied else self._token.denied.discard)(permission)
        return {}

    def require_sso(self, required: bool = True) -> Answer:
        """Let the organization refuse tokens that are not authorized for it."""
        self._token.sso = required
        return {}

    def limits(
        self,
        primary: int | None = None,
        minute: int | None = None,
        status: int | None = None,
        says_when: bool | None = None,
        run_cap: int | None = None,
        reset: bool = False,
    ) -> Answer:
        """Set requests per hour, per minute and endpoint; 403 or 429; Retry-After; most results of filtered runs."""
        limits = self._token.limits
        for name, value in (("primary", primary), ("minute", minute), ("status", status), ("says_when", says_when)):
            if value is not None:
                setattr(limits, name, value)
        self._token.run_cap = run_cap or self._token.run_cap
        if reset:
            limits.used = limits.refused = 0
        return self.stats()
