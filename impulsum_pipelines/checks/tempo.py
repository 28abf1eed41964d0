"""The checks that only Tempo needs: is every hour stored that Tempo has, and does it agree with Jira's hours."""

from __future__ import annotations

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.builder import no_orphans, no_rows
from impulsum_pipelines.checks.findings import Agreement, Check, Finding, Raw, table_of, timestamp
from impulsum_pipelines.sources.base.table import ALIVE

_DAY = 86_400

_LONG_DAYS = f"""
    select author_id, start_date, sum(time_spent_seconds) // 3600 as hours, count(*) as worklogs
    from raw.worklogs where {ALIVE}
    group by author_id, start_date having sum(time_spent_seconds) > {_DAY}
    order by hours desc, start_date
"""


def _completeness(raw: Raw) -> Finding:
    """The newest census, and what is stored of that time: made before it, and not deleted until then."""
    months = raw.rows(
        """
        with newest as (
            select * from raw.census
            where entity = 'worklogs' and sync_id = (
                select sync_id from raw.census where entity = 'worklogs' order by taken_at desc limit 1
            )
        ),
        counted as (
            select work_month, count(*) as stored from raw.worklogs
            where created_at <= (select max(taken_at) from newest)
                and (deleted_at is null or deleted_at > (select max(taken_at) from newest))
                and (unreachable_since is null or unreachable_since > (select max(taken_at) from newest))
            group by work_month
        )
        select coalesce(newest.scope_id, counted.work_month, 'no date') as month, coalesce(at_source, 0) as at_source,
            coalesce(counted.stored, 0) as stored, (select max(taken_at) from newest) as taken_at
        from newest
        full join counted on counted.work_month = newest.scope_id
        order by month
        """
    )
    if not months or not months[0]["taken_at"]:
        return Finding(True, "There was no census yet.")
    # In all and not by month: a worklog that was moved since is the same worklog in another month.
    at_source, stored = sum(m["at_source"] for m in months), sum(m["stored"] for m in months)
    agreement = Agreement.of(at_source, stored)
    text = f"Tempo had {at_source} worklogs at the newest census; {stored} of that time are stored."
    if not agreement.is_exact:
        text += " Run `impulsum sync tempo --census`: it compares every id and repairs what differs."
    numbers = {
        "at source": at_source,
        "stored": stored,
        "counted": timestamp(months[0]["taken_at"]),
        "months": table_of([{name: m[name] for name in ("month", "at_source", "stored")} for m in months]),
    }
    return Finding(agreement.is_exact, text, serious=agreement.is_serious, numbers=numbers)


def _sees_everybody(raw: Raw) -> Finding:
    """Hours of one person only, where teams have several: most likely the token's user sees only their own worklogs."""
    [found] = raw.rows(
        f"""
        select
            (select count(distinct author_id) from raw.worklogs where {ALIVE}) as authors,
            (select count(distinct author_id) from raw.worklogs where unreachable_since is not null
                and author_id not in (select author_id from raw.worklogs where {ALIVE} and author_id is not null)
            ) as authors_no_longer_visible,
            (select count(distinct member_id) from raw.team_members where {ALIVE}) as members
        """
    )
    numbers = {name.replace("_", " "): count for name, count in found.items()}
    if found["authors"] == 1 and found["members"] > 1:
        text = f"Only hours of one person are visible, although the teams have {found['members']} members."
    elif found["authors_no_longer_visible"]:
        gone = found["authors_no_longer_visible"]
        text = f"Hours of {gone} people are no longer visible; those of {found['authors']} are."
    else:
        return Finding(True, f"Hours of {found['authors']} people are visible.", numbers=numbers)
    text += " Check that the token's user has the permission View all worklogs."
    return Finding(False, text, serious=False, numbers=numbers)


def _hours_agree_with_jira(raw: Raw) -> Finding:
    """Hours by issue in Tempo and in Jira. Both record the same work: use one or the other, never their sum."""
    with Home.of(raw.settings).read_raw("jira") as jira:
        if jira is None:
            return Finding(True, "Jira was never pulled: there is nothing to compare with.")
        theirs = dict(
            jira.execute(
                f"select issue_id, sum(time_spent_seconds)::bigint from raw.worklogs where {ALIVE} group by issue_id"
            ).fetchall()
        )
        known = {issue_id for (issue_id,) in jira.execute("select id from raw.issues").fetchall()}
    if not known:
        return Finding(True, "No Jira issue is stored: there is nothing to compare with.")
    ours = {
        row["issue_id"]: row["seconds"]
        for row in raw.rows(
            "select issue_id, sum(time_spent_seconds)::bigint as seconds "
            f"from raw.worklogs where {ALIVE} and issue_id is not null group by issue_id"
        )
        if row["issue_id"] in known
    }
    issues = [
        {"issue": issue_id, "tempo (s)": ours.get(issue_id) or 0, "jira (s)": theirs.get(issue_id) or 0}
        for issue_id in sorted(ours.keys() | theirs.keys())
    ]
    differing = [i | {"difference (s)": i["tempo (s)"] - i["jira (s)"]} for i in issues]
    differing = sorted((i for i in differing if i["difference (s)"]), key=lambda i: -abs(int(i["difference (s)"])))
    tempo, there = sum(filter(None, ours.values())), sum(filter(None, theirs.values()))
    numbers = {
        "hours in Tempo": round(tempo / 3600, 2),
        "hours in Jira": round(there / 3600, 2),
        "difference (hours)": round((tempo - there) / 3600, 2),
        "issues with hours": len(issues),
        "issues that differ": len(differing),
        **({"largest": table_of(differing)} if differing else {}),
    }
    both = f"Tempo has {tempo / 3600:.1f} h and Jira {there / 3600:.1f} h on the stored Jira issues"
    if not differing:
        return Finding(True, f"{both}, the same on each.", numbers=numbers)
    text = f"{both}; {len(differing)} of {len(issues)} issues differ. Both record the same work: do not add them."
    return Finding(False, text, serious=False, numbers=numbers)


def _hours_on_accounts(raw: Raw) -> Finding:
    unknown = raw.rows(
        f"select account_key, count(*) as worklogs from raw.worklogs where {ALIVE} and account_key is not null "
        "and account_key not in (select key from raw.accounts where key is not null) group by 1 order by 2 desc, 1"
    )
    if not unknown:
        return Finding(True, "All hours are on accounts that are stored.")
    text = (
        f"Hours are on {len(unknown)} accounts that are not stored: archived before the first pull, or not visible to "
        "the token's user. Check its permissions in Tempo."
    )
    numbers = {
        "accounts": len(unknown),
        "worklogs": sum(row["worklogs"] for row in unknown),
        "first": table_of(unknown),
    }
    return Finding(False, text, serious=False, numbers=numbers)


def _hours_on_issues(raw: Raw) -> Finding:
    """Tempo names issues by id only: hours on an issue that Jira did not give us have no key and no project."""
    with Home.of(raw.settings).read_raw("jira") as jira:
        issues = {i for (i,) in jira.execute("select id from raw.issues").fetchall()} if jira else set()
    if not issues:
        return Finding(True, "No Jira issue is stored: there is nothing to join with.")
    hours = raw.rows(
        "select issue_id, count(*) as worklogs, sum(time_spent_seconds)::bigint as seconds "
        f"from raw.worklogs where {ALIVE} group by issue_id order by issue_id"
    )
    orphans = [row for row in hours if row["issue_id"] not in issues]
    if not orphans:
        return Finding(True, "All hours are on stored Jira issues.")
    numbers = {
        "issues": len(orphans),
        "worklogs": sum(row["worklogs"] for row in orphans),
        "hours": round(sum(row["seconds"] or 0 for row in orphans) / 3600, 2),
        "first": table_of(orphans),
    }
    text = (
        f"{numbers['hours']} hours are on {len(orphans)} issues that are not among the stored Jira issues: add their "
        "projects to JIRA_PROJECTS, or give Jira's account access to them."
    )
    return Finding(False, text, serious=False, numbers=numbers)


CHECKS = (
    Check(
        "completeness",
        "worklogs",
        "As many worklogs are stored as Tempo had at the newest census. Warns on a small difference. Fails when it is "
        "more than 5 and more than 1 %: run a sync with --census.",
        _completeness,
    ),
    Check(
        "sees_everybody",
        "worklogs",
        "Worklogs of several people are visible. Warns when all are of one person, or when some people are no longer "
        "visible: the token's user then lacks the permission View all worklogs.",
        _sees_everybody,
    ),
    no_rows(
        "plausible_days",
        "worklogs",
        "Nobody has more than 24 hours on one work date. Warns otherwise.",
        _LONG_DAYS,
        good="Nobody has more than 24 hours on one work date.",
        bad="{count} times somebody has more than 24 hours on one work date: entered twice, or in the wrong unit.",
        rows="days",
        next_step="Ask the person to correct it in Tempo.",
        serious=False,
    ),
    Check(
        "hours_agree_with_jira",
        "worklogs",
        "Each issue has the same hours in Tempo as in Jira's own worklogs. Both record the same work, so never add "
        "them. Warns when they differ, with both sums.",
        _hours_agree_with_jira,
    ),
    Check(
        "hours_on_issues",
        "worklogs",
        "All hours are on stored Jira issues. Warns otherwise: such hours have no key and no project.",
        _hours_on_issues,
    ),
    Check(
        "hours_on_accounts",
        "worklogs",
        "All hours are on accounts that are stored. Warns otherwise.",
        _hours_on_accounts,
    ),
    no_orphans("team_members", "team_id", parents="select id from raw.teams", of="teams", rows="memberships"),
)
