"""The checks that only GitHub needs: is everything stored that GitHub counts, and does it fit together."""

from __future__ import annotations

from impulsum_pipelines.checks.builder import compare_counts, compare_totals, no_orphans, no_rows
from impulsum_pipelines.sources.base.table import ALIVE

_OPEN = f"""
    with open_now as (
        select repository_id, number from raw.issues where {ALIVE} and state = 'open'
        union all
        select repository_id, number from raw.pull_requests where {ALIVE} and state = 'open'
    ),
    counted as (select repository_id, count(*) as stored from open_now group by repository_id)
    select full_name as scope, open_issue_total as at_source, coalesce(counted.stored, 0) as stored
    from raw.repositories
    left join counted on counted.repository_id = repositories.id
    where {ALIVE} and open_issue_total is not null and coalesce(has_issues, true)
    order by full_name
"""

#: What GitHub counts by parent, and what is stored of it.
_COMMENTS_COUNTED = f"""
    select repository_id, number, comment_total as at_source from raw.pull_requests where {ALIVE}
    union all
    select repository_id, number, comment_total from raw.issues where {ALIVE}
"""
_COMMENTS_STORED = f"""
    select repository_id, issue_number as number, count(*) as stored
    from raw.issue_comments where {ALIVE} group by all
"""
_REVIEW_COMMENTS_COUNTED = f"""
    select repository_id, number, review_comment_total as at_source from raw.pull_requests where {ALIVE}
"""
_REVIEW_COMMENTS_STORED = f"""
    select repository_id, pull_request_number as number, count(*) as stored
    from raw.review_comments where {ALIVE} group by all
"""
_COMMITS_COUNTED = f"select repository_id, number, commit_total as at_source from raw.pull_requests where {ALIVE}"
_COMMITS_STORED = f"""
    select repository_id, number, count(*) as stored
    from (
        select repository_id, number, unnest(from_json(commit_shas, '["varchar"]')) as sha
        from raw.pull_requests where {ALIVE}
    )
    semi join (select repository_id, sha from raw.commits where {ALIVE}) using (repository_id, sha)
    group by all
"""


def _differing(counted: str, stored: str) -> str:
    """The parents of which GitHub counts another number than is stored."""
    return f"""
        with counted as ({counted}), stored_rows as ({stored})
        select repository_id, number, at_source, coalesce(stored, 0) as stored
        from counted
        left join stored_rows using (repository_id, number)
        where at_source is not null and at_source <> coalesce(stored, 0)
        order by repository_id, number
    """


_MIXED = """
    select issues.id, issues.number, issues.repository_id
    from raw.issues
    left join raw.pull_requests using (repository_id, number)
    where issues.deleted_at is null
        and (pull_requests.id is not null or json_exists(issues.payload, '$.pull_request'))
    order by issues.id
"""

_WRONG_MERGES = f"""
    select id, number, state, merged_at, merged_by, merge_commit_sha
    from raw.pull_requests
    where {ALIVE} and (
        (merged_at is not null and (state <> 'closed' or merge_commit_sha is null or closed_at is null))
        or merged_at < created_at
    )
    order by id
"""

#: Deployments that something replaced a month ago, and that still count as the ones that run.
_NEVER_ENDED = f"""
    with newest as (
        select deployment_id as id, arg_max(state, id::bigint) as state
        from raw.deployment_statuses where {ALIVE} group by deployment_id
    ),
    ordered as (
        select id, repository_id, environment, created_at, state,
            lead(created_at) over (partition by repository_id, environment order by id::bigint) as replaced_at
        from raw.deployments left join newest using (id)
        where {ALIVE}
    )
    select * from ordered
    where state in ('pending', 'queued', 'in_progress', 'waiting')
        and replaced_at < (select max(extracted_at) from raw.deployments) - interval 30 day
    order by id
"""

#: Issues and pull requests share their numbers, which count within a repository.
_NUMBERED = "select repository_id || '#' || number from raw."
_REPOSITORIES = "select id from raw.repositories"
_PULL_REQUESTS = f"{_NUMBERED}pull_requests"

_ISSUES_TOO = f"{_PULL_REQUESTS} union all {_NUMBERED}issues"

CHECKS = (
    compare_counts(
        "completeness",
        "pull_requests",
        "Each repository has as many open issues and pull requests here as GitHub counts in it.",
        _OPEN,
        scopes="repositories",
        things="open issues and pull requests",
        empty="No repository is stored yet.",
    ),
    compare_totals(
        "commit_totals",
        "commits",
        "Each pull request has as many commits here as GitHub counts in it.",
        _differing(_COMMITS_COUNTED, _COMMITS_STORED),
        parents="pull requests",
        things="commits",
        next_step="Run `impulsum sync github --since` with the day on which the oldest of them last changed.",
    ),
    compare_totals(
        "comment_totals",
        "issue_comments",
        "Each issue and pull request has as many comments here as GitHub counts in it.",
        _differing(_COMMENTS_COUNTED, _COMMENTS_STORED),
        parents="issues and pull requests",
        things="comments",
    ),
    compare_totals(
        "comment_totals",
        "review_comments",
        "Each pull request has as many comments on lines here as GitHub counts in it.",
        _differing(_REVIEW_COMMENTS_COUNTED, _REVIEW_COMMENTS_STORED),
        parents="pull requests",
        things="comments on lines",
    ),
    no_orphans("pull_requests", "repository_id", parents=_REPOSITORIES, of="repositories"),
    no_orphans("reviews", "pull_request_id", parents="select id from raw.pull_requests", of="pull requests"),
    no_orphans(
        "review_comments",
        "repository_id || '#' || pull_request_number",
        parents=_PULL_REQUESTS,
        of="pull requests",
    ),
    no_orphans(
        "issue_comments",
        "repository_id || '#' || issue_number",
        parents=_ISSUES_TOO,
        of="issues or pull requests",
    ),
    no_orphans("deployment_statuses", "deployment_id", parents="select id from raw.deployments", of="deployments"),
    no_orphans("workflow_runs", "repository_id", parents=_REPOSITORIES, of="repositories"),
    no_rows(
        "no_pull_requests",
        "issues",
        "No pull request is stored as an issue, although GitHub lists both together. Fails when one is: it would be "
        "counted twice.",
        _MIXED,
        good="No issue is a pull request.",
        bad="{count} issues are pull requests and would be counted twice.",
        rows="issues",
        next_step="Report it as a bug.",
    ),
    no_rows(
        "merges",
        "pull_requests",
        "Every merged pull request is closed, has its merge commit, and was merged after it was opened.",
        _WRONG_MERGES,
        good="Every merged pull request is closed, has its merge commit, and was merged after it was opened.",
        bad="{count} merged pull requests are open, have no merge commit, or were merged before they were opened.",
        rows="pull requests",
        next_step="Compare one of them with its page at GitHub; if GitHub is right, report it as a bug.",
    ),
    no_rows(
        "ended_deployments",
        "deployment_statuses",
        "No deployment still runs that a newer one replaced a month ago. Warns otherwise: a new status does not change "
        "its deployment, so a status that was missed shows as a deployment that never ends.",
        _NEVER_ENDED,
        good="No deployment still runs that was replaced a month ago.",
        bad="{count} deployments still run, although newer ones came to their environment a month ago.",
        rows="deployments",
        serious=False,
    ),
)
