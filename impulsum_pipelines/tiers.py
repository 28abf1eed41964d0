"""How fresh everything is kept: the tiers, and what belongs to each. No other module names a cadence or a priority.

Schedules, freshness policies, checks, pools and queue priorities are derived from these tables. Times of day are in
``IMPULSUM_TIMEZONE``; ``{hours}`` in a cron line stands for ``IMPULSUM_BUSINESS_HOURS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import time, timedelta


@dataclass(frozen=True)
class Tier:
    """One promise of freshness.

    Args:
        name: its name.
        cadence: how often its runs start, in words.
        promise: the data that it keeps fresh.
        priority: ``dagster/priority`` of its runs; higher runs first. Backfills that people start run at zero.
        kept_by: a more frequent tier whose runs also keep this promise; a tier with ``kept_by`` has no runs itself.
    """

    name: str
    cadence: str
    promise: str
    priority: int
    kept_by: Tier | None = None

    @property
    def cadence_tag(self) -> str:
        """``cadence`` as the value of a tag, such as ``every-10-minutes``."""
        return self.cadence.partition(" of ")[0].replace(" ", "-")


CRITICAL = Tier(
    "critical",
    "webhook drop files, within seconds",
    "P0 and P1 events",
    priority=20,
)
ALERT = Tier(
    "alert",
    "every 10 minutes of the working day",
    "issues and pull requests; blocked, overdue and escalated work; signals of risk",
    priority=9,
)
OPERATIONAL = Tier(
    "operational",
    "every 15 minutes of the working day",
    "conversations",
    priority=7,
)
STANDARD = Tier(
    "standard",
    "every 30 or 60 minutes of the working day",
    "working hours, meetings, pages",
    priority=5,
)
ANALYTICAL = Tier(
    "analytical",
    "every 2 hours of the working day",
    "velocity and all other marts",
    priority=3,
)
# Without a schedule: the build of all marts runs more often, and makes these small tables in about a second.
DECISION = Tier(
    "decision",
    "every 3 hours of the working day",
    "trends and portfolio",
    priority=ANALYTICAL.priority,
    kept_by=ANALYTICAL,
)
STRATEGIC = Tier(
    "strategic",
    "every night at 02:00",
    "a census of every source; the day before is closed",
    priority=10,
)
DEEP = Tier(
    "deep",
    "Sunday at 03:00 and Monday at 07:00",
    "every mart built from nothing, including long trends; the tables of the last week",
    priority=1,
)
CATCH_UP = Tier(
    "catch-up",
    "every 5 minutes, where a day is missing",
    "days that the nightly close missed",
    priority=-5,
)
TIERS = (CRITICAL, ALERT, OPERATIONAL, STANDARD, ANALYTICAL, DECISION, STRATEGIC, DEEP, CATCH_UP)

#: Time of every day, in ``IMPULSUM_TIMEZONE``, at which the day before is closed.
CLOSING = time(2, 0)


@dataclass(frozen=True)
class Source:
    """One source, and how it is pulled.

    Args:
        name: name of its folder in ``sources/``, of its raw file and of its asset group.
        title: the name that people use.
        tier: its tier.
        minutes: minutes of the business hours at which it is pulled live, as in a cron line.
        fresh_within: in business hours it is stale when its newest pull is older than this.
        fallback_minutes: additional minutes at which it is pulled while its webhooks are silent.
        fallback_every: time between two pulls while its webhooks are silent.
    """

    name: str
    title: str
    tier: Tier
    minutes: str
    fresh_within: timedelta
    fallback_minutes: str
    fallback_every: timedelta

    #: Older than this is an error at any hour; a night or a weekend is shorter.
    lost_after = timedelta(hours=72)
    #: When pulls find nothing, and the newest data is older than this, the pulls themselves may be broken.
    quiet_after = timedelta(days=7)

    @property
    def cron(self) -> str:
        """Cron line of its live pulls."""
        return f"{self.minutes} {{hours}} * * 1-5"

    @property
    def fallback_cron(self) -> str:
        """Cron line of the additional pulls while its webhooks are silent."""
        return f"{self.fallback_minutes} {{hours}} * * 1-5"

    @property
    def pool(self) -> str:
        """Concurrency pool of its loads."""
        return self.name

    @property
    def priority(self) -> int:
        """Priority of its live runs."""
        return self.tier.priority


#: Most signals of risk are about issues and pull requests, so both are pulled in the alert tier.
SOURCES = (
    Source("jira", "Jira", ALERT, "*/10", timedelta(minutes=30), "5-59/10", timedelta(minutes=5)),
    Source("github", "GitHub", ALERT, "*/10", timedelta(minutes=30), "5-59/10", timedelta(minutes=5)),
    Source("slack", "Slack", OPERATIONAL, "*/15", timedelta(minutes=45), "5-59/15,10-59/15", timedelta(minutes=5)),
    Source("fireflies", "Fireflies", STANDARD, "0", timedelta(hours=3), "20,40", timedelta(minutes=20)),
    Source("notion", "Notion", STANDARD, "15", timedelta(hours=3), "0,30,45", timedelta(minutes=15)),
    Source("tempo", "Tempo", STANDARD, "*/30", timedelta(minutes=90), "10-59/30,20-59/30", timedelta(minutes=10)),
)

#: The tier of a mart by its schema; all others are built in the analytical tier.
MART_TIERS = {"risk": ALERT}

#: How old a mart may be in the working day, by tier: more than the time between two builds and that of one.
BUILT_WITHIN = {ALERT.name: timedelta(hours=1), ANALYTICAL.name: timedelta(hours=3)}

#: Priority of a run that reads a day again because no pull has shown some of its events: after everything else.
READ_AGAIN = -10


@dataclass(frozen=True)
class Build:
    """One job that a schedule runs.

    Args:
        schedule: name of the schedule.
        job: name of the job.
        tier: its tier.
        cron: cron line of the schedule.
    """

    schedule: str
    job: str
    tier: Tier
    cron: str


BUILDS = (
    # Two minutes after the pulls of its tier, which take seconds: people are notified of a change within 15 minutes.
    Build("risk", "risk", ALERT, "2-59/10 {hours} * * 1-5"),
    Build("marts", "build", ANALYTICAL, "30 {hours}/2 * * 1-5"),
    Build("nightly_close", "nightly", STRATEGIC, f"{CLOSING.minute} {CLOSING.hour} * * *"),
    # Every Sunday, so also the first one of a month: cron joins day of month and day of week with "or".
    Build("weekly_rebuild", "rebuild", DEEP, "0 3 * * 0"),
    # Hours after the nightly close: what that could not pull is often filled by then.
    Build("weekly_tables", "build", DEEP, "0 7 * * 1"),
)
