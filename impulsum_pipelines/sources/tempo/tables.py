"""The raw tables of Tempo: grain, columns and meaning. Ids are text everywhere, times are UTC.

People are Atlassian accounts (``jira.raw.users.id``), issues are Jira's (``jira.raw.issues.id``): Tempo gives neither
names nor keys.
"""

from __future__ import annotations

from impulsum_pipelines.sources.base.table import Column, Scope, Table

#: Without these the source is off.
REQUIRED_SETTINGS = ("TEMPO_API_TOKEN",)

#: The scopes in which people look for rows: teams. Only memberships have one; time is logged on issues.
SCOPE = Scope("teams", "name", "team_id")

WORKLOGS = Table(
    "worklogs",
    "One row per worklog entry of Tempo, by tempoWorklogId. The same hours may also be in Jira's worklogs: never add "
    "the two.",
    (
        Column("issue_id", "text", "The Jira issue worked on."),
        Column("author_id", "text", "Account that did the work."),
        Column("start_date", "date", "Day of the work: a wall date where the worker was."),
        Column("start_time", "text", "Wall time at which the work began, such as 09:30:00; null where none is kept."),
        Column(
            "started_at",
            "timestamp",
            "The start in UTC, by the zone of the worker's browser at entry. For days use start_date.",
        ),
        Column("work_month", "text", "Month of start_date, such as 2026-11; a census counts by it."),
        Column("time_spent_seconds", "int", "Time worked, s."),
        Column("billable_seconds", "int", "Part of it that is billed, s."),
        Column("description", "text", "What was done."),
        Column("account_key", "text", "Value of the work attribute _Account_, where the worklog has one."),
        Column("attributes", "json", "Object of every work attribute: key to value."),
        Column("created_at", "timestamp", "When the entry was made, whole seconds; often days after the work."),
        Column("updated_at", "timestamp", "When the entry last changed, whole seconds; the cursor of the live pull."),
    ),
    partitioned=True,
)

PLANS = Table(
    "plans",
    "One row per plan: time set aside for a person on an issue or project, on each working day of a span.",
    (
        Column("assignee_id", "text", "Account planned for, or the id of a generic resource."),
        Column("assignee_type", "text", "USER or GENERIC."),
        Column("item_id", "text", "The Jira issue or project planned for."),
        Column("item_type", "text", "ISSUE or PROJECT."),
        Column("issue_id", "text", "The Jira issue planned for; null for a project."),
        Column("start_date", "date", "First day, a wall date."),
        Column("end_date", "date", "Last day, a wall date."),
        Column("effort_type", "text", "SECONDS_PER_DAY or TOTAL_SECONDS: which of the two numbers applies."),
        Column("planned_seconds_per_day", "int", "Time a day, s."),
        Column("total_planned_seconds", "int", "Time in all, s."),
        Column("rule", "text", "NEVER, WEEKLY, BI_WEEKLY or MONTHLY: how it recurs."),
        Column("recurrence_end_date", "date", "Last day of the recurrence."),
        Column("includes_non_working_days", "bool", "True when weekends and holidays count, too."),
        Column("description", "text", "What is planned."),
        Column("creator_id", "text", "Account that made the plan."),
        Column("created_at", "timestamp", "When it was made, whole seconds."),
        Column("updated_at", "timestamp", "When it last changed, whole seconds."),
    ),
    partitioned=True,
)

ACCOUNTS = Table(
    "accounts",
    "One row per account that hours go to, open or closed; Tempo does not show archived ones.",
    (
        Column("key", "text", "Key, as in worklogs.account_key."),
        Column("name", "text", "Name."),
        Column("status", "text", "OPEN or CLOSED."),
        Column("is_global", "bool", "True when hours of any project may go to it."),
        Column("lead_id", "text", "Account of the person who leads it."),
        Column("monthly_budget", "int", "Estimated budget a month, in hours or in the site's currency."),
        Column("category_key", "text", "Key of its category."),
        Column("category_type", "text", "Type of that category, such as BILLABLE or CAPITALIZED."),
        Column("customer_key", "text", "Key of the customer."),
        Column("customer_name", "text", "Name of the customer."),
    ),
)

TEAMS = Table(
    "teams",
    "One row per team that the token's user sees.",
    (
        Column("name", "text", "Name."),
        Column("summary", "text", "What the team is for."),
        Column("lead_id", "text", "Account of the lead."),
        Column("program_id", "text", "Program that it belongs to."),
        Column("program_name", "text", "Name of that program."),
        Column("is_administrative", "bool", "True for a team that exists to administer."),
    ),
)

TEAM_MEMBERS = Table(
    "team_members",
    "One row per membership: one person's time in one team, ended ones included.",
    (
        Column("team_id", "text", "The team."),
        Column("member_id", "text", "Account of the member."),
        Column("role_id", "text", "Role in the team."),
        Column("role_name", "text", "Name of that role."),
        Column("commitment_percent", "int", "Share of working time that is the team's, %."),
        Column("start_date", "date", "First day; null when it always was."),
        Column(
            "last_date", "date", "Last day, inclusive (the vendor's own field to is the day after); null while open."
        ),
    ),
)

WORKLOAD_SCHEMES = Table(
    "workload_schemes",
    "One row per workload scheme: the working time that it requires on each day of the week, without holidays.",
    (
        Column("name", "text", "Name."),
        Column("description", "text", "What it is for."),
        Column("is_default", "bool", "True for the scheme of people who are in no other."),
        Column("member_total", "int", "How many people Tempo counts in it."),
        Column("days", "json", "Day of the week to time required, s, such as MONDAY to 28800."),
        Column("week_seconds", "int", "Time required in a week, s."),
    ),
)

WORKLOAD_SCHEME_MEMBERS = Table(
    "workload_scheme_members",
    "One row per person in a workload scheme, now: Tempo keeps no past ones. The id is scheme_id:member_id.",
    (
        Column("scheme_id", "text", "The workload scheme."),
        Column("member_id", "text", "Account of the person."),
    ),
)

TABLES = (WORKLOGS, PLANS, ACCOUNTS, TEAMS, TEAM_MEMBERS, WORKLOAD_SCHEMES, WORKLOAD_SCHEME_MEMBERS)
