"""Issues, pull requests, their reviews and comments as GitHub shows them."""

from __future__ import annotations

from impulsum_pipelines.sandbox.github.documents.repositories import (
    Document,
    RepositoryDocuments,
    clone_token,
    iso,
    iso_or_none,
    node_id,
)
from impulsum_pipelines.sandbox.github.state import GitHubComment, GitHubIssue, Pull, Repository, Review


class ConversationDocuments(RepositoryDocuments):
    """The documents of what people talk about."""

    def issue(self, issue: GitHubIssue) -> Document:
        """An issue, or the issue side of a pull request."""
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
            "node_id": node_id("PR" if issue.pull else "I", issue.pull.id if issue.pull else issue.id),
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
                "merged_at": iso_or_none(issue.pull.merged),
            }
        return shown

    def _conversation(self, issue: GitHubIssue) -> Document:
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
            "closed_at": iso_or_none(issue.closed),
            "author_association": "MEMBER",
            "body": issue.body,
        }

    def pull(self, pull: Pull, *, merge_sha: bool = True) -> Document:
        """A pull request in lists: without counts, and without who merged it."""
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
            "node_id": node_id("PR", pull.id),
            **places,
            "diff_url": f"{web}.diff",
            "patch_url": f"{web}.patch",
            **self._conversation(pull.issue),
            "merged_at": iso_or_none(pull.merged),
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
        """A pull request that was asked for on its own."""
        comments = self.world.issue_comments.values()
        shown = self.pull(pull, merge_sha=merge_sha)
        for end in (shown["head"], shown["base"]):
            end["repo"] = {**end["repo"], **clone_token()}
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
            "node_id": node_id("PRR", review.id),
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

    def review_comment(self, comment: GitHubComment) -> Document:
        """A comment on a line of the diff."""
        repository = self.world.repositories[comment.repository]
        at, number = self._at(repository), comment.issue.number
        url, pull = f"{at}/pulls/comments/{comment.id}", f"{at}/pulls/{number}"
        web = f"{self._web(repository)}/pull/{number}#discussion_r{comment.id}"
        shown = {
            "url": url,
            "pull_request_review_id": comment.review,
            "id": comment.id,
            "node_id": node_id("PRRC", comment.id),
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

    def issue_comment(self, comment: GitHubComment) -> Document:
        """A comment in the conversation of an issue or pull request."""
        repository = self.world.repositories[comment.repository]
        at, number = self._at(repository), comment.issue.number
        kind = "pull" if comment.issue.pull else "issues"
        return {
            "url": f"{at}/issues/comments/{comment.id}",
            "html_url": f"{self._web(repository)}/{kind}/{number}#issuecomment-{comment.id}",
            "issue_url": f"{at}/issues/{number}",
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "user": self.user(comment.author),
            "created_at": iso(comment.created),
            "updated_at": iso(comment.updated),
            "body": comment.body,
            "author_association": "MEMBER",
            "performed_via_github_app": None,
        }
