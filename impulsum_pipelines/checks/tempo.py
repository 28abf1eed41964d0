"""The checks that know Tempo: is every hour held that Tempo has, is it seen whole, and does it agree with Jira's."""

from __future__ import annotations

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.checks.findings import Check, Finding, Raw, agreement, instant, table_of
from impulsum_pipelines.sources.base.table import ALIVE

_DAY = 86_400


def _completeness(raw: Raw) -> Finding:
    """The newest census against what is held of that time: made before it, and not deleted until then."""
    months = raw.rows(
        """
        with newest as (
            select * from raw.census
            where entity = 'worklogs' and sync_id = (
                select sync_id from raw.census where entity = 'worklogs' order by taken_at desc limit 1
            )
        ),
        held as (
            select work_month, count(*) as held from raw.worklogs
            where created_at <= (select max(taken_at) from newest)
                and (deleted_at is null or deleted_at > (select max(taken_at) from newest))
                and (unreachable_since is null or unreachable_since > (select max(taken_at) from newest))
            group by work_month
        )
        select coalesce(newest.scope_id, held.work_month, 'no date') as month, coalesce(at_source, 0) as at_source,
            coalesce(held.held, 0) as held, (select max(taken_at) from newest) as taken_at
        from newest
        full join held on held.work_month = newest.scope_id
        order by month
        """
    )
    if not months or not months[0]["taken_at"]:
        return Finding(True, "There was no census yet.")
    # In all and not by month: a worklog that was moved since is the same worklog in another month.
    at_source, held = sum(m["at_source"] for m in months), sum(m["held"] for m in months)
    agrees, serious = agreement(at_source, held)
    text = f"Tempo had {at_source} worklogs when they were last counted; {held} of that time are held."
    numbers = {
        "at source": at_source,
        "held": held,
        "counted": instant(months[0]["taken_at"]),
        "months": table_of([{name: m[name] for name in ("month", "at_source", "held")} for m in months]),
    }
    return Finding(agrees, text, serious=serious, numbers=numbers)


def _sees_everybody(raw: Raw) -> Finding:
    """Hours of one person alone, where teams have several: the token's user sees only own worklogs, most likely."""
    [found] = raw.rows(
        f"""
        select
            (select count(distinct author_id) from raw.worklogs where {ALIVE}) as authors,
            (select count(distinct author_id) from raw.worklogs where unreachable_since is not null
                and author_id not in (select author_id from raw.worklogs where {ALIVE} and author_id is not null)
            ) as authors_out_of_sight,
            (select count(distinct member_id) from raw.team_members where {ALIVE}) as members
        """
    )
    numbers = {name.replace("_", " "): count for name, count in found.items()}
    if found["authors"] == 1 and found["members"] > 1:
        text = f"Hours of one person are seen, though the teams have {found['members']} members."
    elif found["authors_out_of_sight"]:
        text = f"Hours of {found['authors_out_of_sight']} people are out of sight; {found['authors']} are seen."
    else:
        return Finding(True, f"Hours of {found['authors']} people are seen.", numbers=numbers)
    return Finding(False, f"{text} Does the token's user still have View all worklogs?", serious=False, numbers=numbers)


def _plausible_days(raw: Raw) -> Finding:
    days = raw.rows(
        f"""
        select author_id, start_date, sum(time_spent_seconds) // 3600 as hours, count(*) as worklogs
        from raw.worklogs where {ALIVE}
        group by author_id, start_date having sum(time_spent_seconds) > {_DAY}
        order by hours desc, start_date
        """
    )
    if not days:
        return Finding(True, "Nobody has more than 24 hours on a day.")
    text = f"{len(days)} times somebody has more than 24 hours on one day: entered twice, or in the wrong unit."
    return Finding(False, text, serious=False, numbers={"days": len(days), "first": table_of(days)})


def _hours_agree_with_jira(raw: Raw) -> Finding:
    """Hours by issue here and in Jira. The two show the same work: one may stand in for the other, never be added."""
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
        return Finding(True, "Jira holds no issue: there is nothing to compare with.")
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
    both = f"Tempo has {tempo / 3600:.1f} h and Jira {there / 3600:.1f} h on the issues that Jira holds"
    if not differing:
        return Finding(True, f"{both}, the same on each. They are the same hours.", numbers=numbers)
    text = f"{both}; {len(differing)} of {len(issues)} issues differ. They are the same hours: do not add them."
    return Finding(False, text, serious=False, numbers=numbers)


def _members_of_teams(raw: Raw) -> Finding:
    orphans = raw.rows(
        f"select id, team_id, member_id from raw.team_members where {ALIVE} "
        "and coalesce(team_id, '') not in (select id from raw.teams) order by id"
    )
    if not orphans:
        return Finding(True, "All memberships belong to teams that are held.")
    text = f"{len(orphans)} memberships belong to no team that is held."
    return Finding(False, text, numbers={"orphans": len(orphans), "first": table_of(orphans)})


def _hours_on_accounts(raw: Raw) -> Finding:
    unknown = raw.rows(
        f"select account_key, count(*) as worklogs from raw.worklogs where {ALIVE} and account_key is not null "
        "and account_key not in (select key from raw.accounts where key is not null) group by 1 order by 2 desc, 1"
    )
    if not unknown:
        return Finding(True, "All hours go to accounts that are held.")
    text = f"Hours go to {len(unknown)} accounts that are not held: archived before the first pull, or out of sight."
    numbers = {
        "accounts": len(unknown),
        "worklogs": sum(row["worklogs"] for row in unknown),
        "first": table_of(unknown),
    }
    return Finding(False, text, serious=False, numbers=numbers)


def _hours_on_issues(raw: Raw) -> Finding:
    """Tempo knows issues by id alone: hours on one that Jira does not show us have no key and no project."""
    with Home.of(raw.settings).read_raw("jira") as jira:
        issues = {i for (i,) in jira.execute("select id from raw.issues").fetchall()} if jira else set()
    if not issues:
        return Finding(True, "Jira holds no issue: there is nothing to join with.")
    hours = raw.rows(
        "select issue_id, count(*) as worklogs, sum(time_spent_seconds)::bigint as seconds "
        f"from raw.worklogs where {ALIVE} group by issue_id order by issue_id"
    )
    orphans = [row for row in hours if row["issue_id"] not in issues]
    if not orphans:
        return Finding(True, "All hours are on issues that Jira holds.")
    numbers = {
        "issues": len(orphans),
        "worklogs": sum(row["worklogs"] for row in orphans),
        "hours": round(sum(row["seconds"] or 0 for row in orphans) / 3600, 2),
        "first": table_of(orphans),
    }
    text = f"{numbers['hours']} hours are on {len(orphans)} issues that Jira does not hold: other projects, or hidden."
    return Finding(False, text, serious=False, numbers=numbers)


CHECKS = (
    Check(
        "completeness",
        "worklogs",
        "As many worklogs are held as Tempo had when its months were last counted. A small difference warns; more "
        "than 5 and 1 % is an error: run a sync with --census.",
        _completeness,
    ),
    Check(
        "sees_everybody",
        "worklogs",
        "Worklogs of several people are seen. Warns when all are of one person, or when people went out of sight: "
        "the token's user then lacks the permission View all worklogs.",
        _sees_everybody,
    ),
    Check(
        "plausible_days",
        "worklogs",
        "Nobody has more than 24 hours on one work date. Warns otherwise.",
        _plausible_days,
    ),
    Check(
        "hours_agree_with_jira",
        "worklogs",
        "Each issue has the same hours in Tempo as in Jira's own worklogs. They are two records of the same work and "
        "must never be added; where they differ this warns, with both sums.",
        _hours_agree_with_jira,
    ),
    Check(
        "hours_on_issues",
        "worklogs",
        "All hours are on issues that Jira holds. Warns otherwise: such hours have no key and no project.",
        _hours_on_issues,
    ),
    Check(
        "hours_on_accounts",
        "worklogs",
        "All hours go to accounts that are held. Warns otherwise.",
        _hours_on_accounts,
    ),
    Check(
        "no_orphans",
        "team_members",
        "All memberships belong to teams that are held.",
        _members_of_teams,
    ),
)
