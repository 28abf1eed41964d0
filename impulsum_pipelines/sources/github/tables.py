"""The raw tables of GitHub: grain, columns and meaning. Ids are text everywhere, times are UTC, people are logins."""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Scope, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("GITHUB_TOKEN", "GITHUB_REPOSITORIES")

#: The scopes in which people look for rows.
SCOPE = Scope("repositories", "full_name", "repository_id")

_REPOSITORY = Column("repository_id", "text", "Repository, by the id that survives renames and transfers.")

REPOSITORIES = Table(
    "repositories",
    "One row per repository that is read, keyed by the id that survives renames and transfers.",
    (
        Column("owner", "text", "Login of the owner at the last read."),
        Column("name", "text", "Name at the last read."),
        Column("full_name", "text", "owner/name at the last read."),
        Column("default_branch", "text", "Name of the default branch."),
        Column("is_private", "bool", "True when not public."),
        Column("is_fork", "bool", "True for a fork."),
        Column("is_archived", "bool", "True when archived, so read-only."),
        Column("has_issues", "bool", "True when its issues are turned on."),
        Column("open_issue_total", "int", "How many issues and pull requests together are open, as GitHub counts."),
        Column("created_at", "timestamp", "When it was created."),
        Column("updated_at", "timestamp", "When its settings last changed."),
        Column("pushed_at", "timestamp", "When any of its branches was last pushed to."),
    ),
)

PULL_REQUESTS = Table(
    "pull_requests",
    "One row per pull request, keyed by its own id, which is not the id of its issue side.",
    (
        _REPOSITORY,
        Column("number", "int", "Number within the repository, shared with issues."),
        Column("title", "text", "Title."),
        Column("author", "text", "Login of who opened it."),
        Column("is_bot", "bool", "True when an app opened it."),
        Column("state", "text", "open or closed; a merged one is closed."),
        Column("is_draft", "bool", "True for a draft."),
        Column("created_at", "timestamp", "When it was opened."),
        Column("updated_at", "timestamp", "When it last changed; the cursor of the live pull."),
        Column("closed_at", "timestamp", "When it was closed or merged; null while open."),
        Column("merged_at", "timestamp", "When it was merged; null unless merged."),
        Column("merged_by", "text", "Login of who merged it."),
        Column("merge_commit_sha", "text", "Commit that the merge made; before the merge, GitHub's test merge."),
        Column("head_ref", "text", "Branch that it comes from."),
        Column("head_sha", "text", "Newest commit of that branch."),
        Column("base_ref", "text", "Branch that it goes to."),
        Column("additions", "int", "Lines added."),
        Column("deletions", "int", "Lines deleted."),
        Column("changed_files", "int", "Files changed."),
        Column("commit_total", "int", "How many commits GitHub counts in it."),
        Column("comment_total", "int", "How many comments GitHub counts in its conversation."),
        Column("review_comment_total", "int", "How many comments on lines GitHub counts."),
        Column("labels", "json", "List of the names of its labels."),
        Column("requested_reviewers", "json", "List of the logins that are still asked to review."),
        Column("commit_shas", "json", "List of the commits in it, oldest first."),
    ),
    partitioned=True,
)

REVIEWS = Table(
    "reviews",
    "One row per submitted review of a pull request.",
    (
        _REPOSITORY,
        Column("pull_request_id", "text", "Pull request that it reviews."),
        Column("pull_request_number", "int", "Number of that pull request."),
        Column("author", "text", "Login of the reviewer; null when the account is gone."),
        Column("state", "text", "APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED."),
        Column("commit_sha", "text", "Newest commit when it was submitted."),
        Column("submitted_at", "timestamp", "When it was submitted."),
    ),
    partitioned=True,
)

REVIEW_COMMENTS = Table(
    "review_comments",
    "One row per comment on a line of a pull request's changes.",
    (
        _REPOSITORY,
        Column("pull_request_number", "int", "Number of the pull request."),
        Column("review_id", "text", "Review that it belongs to."),
        Column("in_reply_to_id", "text", "First comment of its thread; null for that one itself."),
        Column("author", "text", "Login of the writer; null when the account is gone."),
        Column("path", "text", "File that it is about."),
        Column("body", "text", "Text."),
        Column("created_at", "timestamp", "When it was written."),
        Column("updated_at", "timestamp", "When it was last edited."),
    ),
    partitioned=True,
)

ISSUE_COMMENTS = Table(
    "issue_comments",
    "One row per comment in the conversation of an issue or of a pull request.",
    (
        _REPOSITORY,
        Column("issue_number", "int", "Number of the issue or pull request."),
        Column("is_on_pull_request", "bool", "True in the conversation of a pull request."),
        Column("author", "text", "Login of the writer; null when the account is gone."),
        Column("body", "text", "Text."),
        Column("created_at", "timestamp", "When it was written."),
        Column("updated_at", "timestamp", "When it was last edited."),
    ),
    partitioned=True,
)

COMMITS = Table(
    "commits",
    "One row per commit of a repository that its default branch or a pull request reaches; the id is "
    "repository_id:sha, since forks share commits.",
    (
        _REPOSITORY,
        Column("sha", "text", "Hash of the commit."),
        Column("message", "text", "Message."),
        Column("author", "text", "Login of the author; null when the address is nobody's."),
        Column("author_name", "text", "Name of the author within the commit."),
        Column("author_email", "text", "Address of the author within the commit."),
        Column("authored_at", "timestamp", "When it was first written, by the author's machine."),
        Column("committed_at", "timestamp", "When it was committed or rebased, by that machine; not when pushed."),
        Column("is_merge", "bool", "True with more than one parent."),
    ),
    partitioned=True,
)

ISSUES = Table(
    "issues",
    "One row per issue; pull requests are left out. A transfer to another repository makes another id.",
    (
        _REPOSITORY,
        Column("number", "int", "Number within the repository, shared with pull requests."),
        Column("title", "text", "Title."),
        Column("author", "text", "Login of who opened it; null when the account is gone."),
        Column("state", "text", "open or closed."),
        Column("state_reason", "text", "completed, not_planned, duplicate or reopened; null when not given."),
        Column("labels", "json", "List of the names of its labels."),
        Column("assignees", "json", "List of the logins of its assignees."),
        Column("comment_total", "int", "How many comments GitHub counts."),
        Column("created_at", "timestamp", "When it was opened."),
        Column("updated_at", "timestamp", "When it last changed; the cursor of the live pull."),
        Column("closed_at", "timestamp", "When it was closed; null while open."),
        Column("closed_by", "text", "Login of who closed it, where shown."),
    ),
    partitioned=True,
)

RELEASES = Table(
    "releases",
    "One row per release.",
    (
        _REPOSITORY,
        Column("tag_name", "text", "Tag."),
        Column("name", "text", "Title."),
        Column("target", "text", "Branch or commit that the tag was made from."),
        Column("author", "text", "Login of who made it."),
        Column("is_draft", "bool", "True while it is not published."),
        Column("is_prerelease", "bool", "True for a pre-release."),
        Column("created_at", "timestamp", "Date of the commit that it is of, not of the release."),
        Column("published_at", "timestamp", "When it was published; null for a draft."),
    ),
)

DEPLOYMENTS = Table(
    "deployments",
    "One row per deployment; how it went is in deployment_statuses.",
    (
        _REPOSITORY,
        Column("sha", "text", "Commit deployed."),
        Column("ref", "text", "Branch, tag or commit that was asked for."),
        Column("environment", "text", "Environment."),
        Column("is_production", "bool", "True when it is marked as one that end users use."),
        Column("task", "text", "Task, such as deploy."),
        Column("creator", "text", "Login of who made it."),
        Column("created_at", "timestamp", "When it was made."),
        Column("updated_at", "timestamp", "When it last changed; a status does not change it."),
    ),
    partitioned=True,
)

DEPLOYMENT_STATUSES = Table(
    "deployment_statuses",
    "One row per status that a deployment was given; the newest one is how it stands.",
    (
        _REPOSITORY,
        Column("deployment_id", "text", "Deployment."),
        Column("state", "text", "pending, queued, in_progress, success, failure, error or inactive."),
        Column("environment", "text", "Environment."),
        Column("description", "text", "Text that was given with it."),
        Column("creator", "text", "Login of who gave it."),
        Column("created_at", "timestamp", "When it was given."),
        Column("updated_at", "timestamp", "When it last changed."),
    ),
    partitioned=True,
)

WORKFLOW_RUNS = Table(
    "workflow_runs",
    "One row per run of a workflow of Actions, as its newest attempt stands.",
    (
        _REPOSITORY,
        Column("workflow_id", "text", "Workflow."),
        Column("name", "text", "Name of the workflow."),
        Column("event", "text", "What started it, such as push."),
        Column("status", "text", "queued, in_progress, waiting, completed and the like."),
        Column("conclusion", "text", "How it ended, such as success; null while it runs."),
        Column("head_branch", "text", "Branch."),
        Column("head_sha", "text", "Commit."),
        Column("run_number", "int", "Counts the runs of the workflow."),
        Column("run_attempt", "int", "Counts the attempts of this run; above 1 after a re-run."),
        Column("actor", "text", "Login of who started it."),
        Column("created_at", "timestamp", "When the run was made; a re-run leaves it."),
        Column("started_at", "timestamp", "When the newest attempt began."),
        Column("updated_at", "timestamp", "When it last changed; of a completed one about its end."),
    ),
    partitioned=True,
)

TABLES = (
    PULL_REQUESTS,
    REPOSITORIES,
    REVIEWS,
    REVIEW_COMMENTS,
    ISSUE_COMMENTS,
    COMMITS,
    ISSUES,
    RELEASES,
    DEPLOYMENTS,
    DEPLOYMENT_STATUSES,
    WORKFLOW_RUNS,
)
