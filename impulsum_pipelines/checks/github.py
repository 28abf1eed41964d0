"""The checks that know GitHub: is everything held that GitHub says it has, and does it fit together."""

from __future__ import annotations

from functools import partial

from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, table_of
from impulsum_pipelines.sources.base.table import ALIVE


def _completeness(raw: Raw) -> Finding:
    repositories = raw.rows(
        f"""
        with open_now as (
            select repository_id, number from raw.issues where {ALIVE} and state = 'open'
            union all
            select repository_id, number from raw.pull_requests where {ALIVE} and state = 'open'
        ),
        held as (select repository_id, count(*) as held from open_now group by repository_id)
        select repositories.full_name, open_issue_total as at_source, coalesce(held.held, 0) as held
        from raw.repositories
        left join held on held.repository_id = repositories.id
        where {ALIVE} and open_issue_total is not null and coalesce(has_issues, true)
        order by repositories.full_name
        """
    )
    if not repositories:
        return Finding(True, "No repository is held yet.")
    wrong = [r for r in repositories if not agreement(r["at_source"], r["held"])[0]]
    serious = any(agreement(r["at_source"], r["held"])[1] for r in wrong)
    text = (
        f"{len(wrong)} of {len(repositories)} repositories differ: "
        + ", ".join(f"{r['full_name']} has {r['at_source']} open, held {r['held']}" for r in wrong[:10])
        if wrong
        else f"All {len(repositories)} repositories have as many open issues and pull requests as GitHub counts."
    )
    numbers = {
        "at source": sum(r["at_source"] for r in repositories),
        "held": sum(r["held"] for r in repositories),
        "repositories": table_of(repositories),
    }
    return Finding(not wrong, text, serious=serious, numbers=numbers)


def _totals(raw: Raw, *, counts: dict[str, str]) -> Finding:
    """Things held per parent against the number that GitHub gave with the parent."""
    differing = raw.rows(
        f"""
        with counted as ({counts["counted"]}), held as ({counts["held"]})
        select repository_id, number, at_source, coalesce(held, 0) as held
        from counted
        left join held using (repository_id, number)
        where at_source is not null and at_source <> coalesce(held, 0)
        order by repository_id, number
        """
    )
    if not differing:
        return Finding(True, "There are as many as GitHub counts.")
    short = sum(row["held"] < row["at_source"] for row in differing)
    numbers = {
        "parents that differ": len(differing),
        "parents with too few": short,
        "missing": sum(max(row["at_source"] - row["held"], 0) for row in differing),
        "parents": table_of(differing),
    }
    text = f"{len(differing)} have another number than GitHub counts, {short} of them too few."
    # More than counted is one that was written after the parent was read; fewer means that something is lost.
    return Finding(False, text, serious=short > 0, numbers=numbers)


#: By what is counted: GitHub's numbers, and ours.
_COMMENTS = {
    "counted": f"""
        select repository_id, number, comment_total as at_source from raw.pull_requests where {ALIVE}
        union all
        select repository_id, number, comment_total from raw.issues where {ALIVE}
    """,
    "held": f"""
        select repository_id, issue_number as number, count(*) as held
        from raw.issue_comments where {ALIVE} group by all
    """,
}
_REVIEW_COMMENTS = {
    "counted": f"""
        select repository_id, number, review_comment_total as at_source from raw.pull_requests where {ALIVE}
    """,
    "held": f"""
        select repository_id, pull_request_number as number, count(*) as held
        from raw.review_comments where {ALIVE} group by all
    """,
}
_COMMITS = {
    "counted": f"select repository_id, number, commit_total as at_source from raw.pull_requests where {ALIVE}",
    "held": f"""
        select repository_id, number, count(*) as held
        from (
            select repository_id, number, unnest(from_json(commit_shas, '["varchar"]')) as sha
            from raw.pull_requests where {ALIVE}
        )
        semi join (select repository_id, sha from raw.commits where {ALIVE}) using (repository_id, sha)
        group by all
    """,
}


def _no_orphans(raw: Raw, *, table: str, column: str, parents: tuple[str, ...]) -> Finding:
    """A row is an orphan when what it belongs to was never held. A number counts within its repository."""
    key, child = "id", column
    if not column.endswith("_id"):
        key, child = "repository_id || '#' || number", f"repository_id || '#' || {column}"
    held = " union all ".join(f"select {key} from raw.{parent}" for parent in parents)
    orphans = raw.rows(
        f"select id, {column} from raw.{table} where {ALIVE} and coalesce({child}, '') not in ({held}) order by id"
    )
    if not orphans:
        return Finding(True, f"All {table} belong to something that is held.")
    text = f"{len(orphans)} {table} belong to nothing that is held."
    return Finding(False, text, numbers={"orphans": len(orphans), "first": table_of(orphans)})


def _no_pull_requests(raw: Raw) -> Finding:
    mixed = raw.rows(
        """
        select issues.id, issues.number, issues.repository_id
        from raw.issues
        left join raw.pull_requests using (repository_id, number)
        where issues.deleted_at is null
            and (pull_requests.id is not null or json_exists(issues.payload, '$.pull_request'))
        order by issues.id
        """
    )
    if not mixed:
        return Finding(True, "No issue is a pull request.")
    text = f"{len(mixed)} issues are pull requests: they would be counted twice."
    return Finding(False, text, numbers={"issues": len(mixed), "first": table_of(mixed)})


def _merges(raw: Raw) -> Finding:
    wrong = raw.rows(
        f"""
        select id, number, state, merged_at, merged_by, merge_commit_sha
        from raw.pull_requests
        where {ALIVE} and (
            (merged_at is not null and (state <> 'closed' or merge_commit_sha is null or closed_at is null))
            or merged_at < created_at
        )
        order by id
        """
    )
    if not wrong:
        return Finding(True, "Every merge is whole: closed, with its commit, after its pull request was opened.")
    text = f"{len(wrong)} merged pull requests are open, without their commit, or merged before they were opened."
    return Finding(False, text, numbers={"pull requests": len(wrong), "first": table_of(wrong)})


def _ended_deployments(raw: Raw) -> Finding:
    """A deployment that something replaced long ago, and that still counts as the one that runs."""
    standing = raw.rows(
        f"""
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
    )
    if not standing:
        return Finding(True, "No deployment goes on that was replaced a month ago.")
    text = f"{len(standing)} deployments still go on, though newer ones came to their environment a month ago."
    return Finding(False, text, serious=False, numbers={"deployments": len(standing), "first": table_of(standing)})


CHECKS = (
    Check(
        "completeness",
        "pull_requests",
        "Each repository has as many open issues and pull requests here as GitHub counts in it. A small difference "
        "warns: they come and go between the count and the pull. More than 5 and 1 % is an error: run a sync with "
        "--census.",
        _completeness,
    ),
    Check(
        "commit_totals",
        "commits",
        "Of each pull request as many commits are held as GitHub counts in it.",
        partial(_totals, counts=_COMMITS),
    ),
    Check(
        "comment_totals",
        "issue_comments",
        "Of each issue and pull request as many comments are held as GitHub counts. Fewer means that some were lost.",
        partial(_totals, counts=_COMMENTS),
    ),
    Check(
        "comment_totals",
        "review_comments",
        "Of each pull request as many comments on lines are held as GitHub counts. Fewer means that some were lost.",
        partial(_totals, counts=_REVIEW_COMMENTS),
    ),
    *(
        Check(
            "no_orphans",
            table,
            f"All {table} belong to something that is held.",
            partial(_no_orphans, table=table, column=column, parents=parents),
        )
        for table, column, parents in (
            ("pull_requests", "repository_id", ("repositories",)),
            ("reviews", "pull_request_id", ("pull_requests",)),
            ("review_comments", "pull_request_number", ("pull_requests",)),
            ("issue_comments", "issue_number", ("pull_requests", "issues")),
            ("deployment_statuses", "deployment_id", ("deployments",)),
            ("workflow_runs", "repository_id", ("repositories",)),
        )
    ),
    Check(
        "no_pull_requests",
        "issues",
        "GitHub lists pull requests among the issues; none of them is held as an issue.",
        _no_pull_requests,
    ),
    Check(
        "merges",
        "pull_requests",
        "Every merged pull request is closed, names the commit of its merge, and was merged after it was opened.",
        _merges,
    ),
    Check(
        "ended_deployments",
        "deployment_statuses",
        "A status does not change its deployment, so that a missed one shows as a deployment that never ends.",
        _ended_deployments,
    ),
)
