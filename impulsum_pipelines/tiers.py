"""How fresh everything is kept: the tiers, and what is in each. Nothing else names a cadence or a priority.

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
        name: what it is called.
        cadence: how often, in words.
        promise: what is kept so fresh.
        priority: ``dagster/priority`` of its runs; higher is sooner. What people backfill runs at zero.
        kept_by: the tier whose runs keep it, where they are more frequent anyway: it has none of its own then.
    """

    name: str
    cadence: str
    promise: str
    priority: int
    kept_by: Tier | None = None


CRITICAL = Tier(
    "critical",
    "webhook drop files, within seconds",
    "what is P0 or P1",
    priority=20,
)
ALERT = Tier(
    "alert",
    "every 10 minutes of the working day",
    "blocked, overdue and escalated work; what is at risk",
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
    "hours, meetings, pages",
    priority=5,
)
ANALYTICAL = Tier(
    "analytical",
    "every 2 hours of the working day",
    "velocity and all other marts",
    priority=3,
)
# No schedule of its own: a build of everything comes more often, and makes these small tables in about a second.
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
    "the count of everything, yesterday closed",
    priority=10,
)
DEEP = Tier(
    "deep",
    "Sunday at 03:00 and Monday at 07:00",
    "every mart, long trends too, built from nothing; the tables of the week that is over",
    priority=1,
)
CATCH_UP = Tier(
    "catch-up",
    "every 5 minutes, where a day is missing",
    "closed days that the nightly close missed",
    priority=-5,
)
TIERS = (CRITICAL, ALERT, OPERATIONAL, STANDARD, ANALYTICAL, DECISION, STRATEGIC, DEEP, CATCH_UP)

#: When the day before is closed, every day, in ``IMPULSUM_TIMEZONE``.
CLOSING = time(2, 0)


@dataclass(frozen=True)
class Source:
    """One source and how it is pulled.

    Args:
        name: of its folder in ``sources/``, of the raw file and of the asset group.
        title: the name that people use.
        tier: its tier.
        minutes: at which minutes of the business hours it is pulled live, as cron writes them.
        fresh_within: age of the newest pull above which it is stale in business hours.
        fallback_minutes: at which minutes it is pulled as well while its webhooks are silent.
        fallback_every: how long after each other pulls are then.
    """

    name: str
    title: str
    tier: Tier
    minutes: str
    fresh_within: timedelta
    fallback_minutes: str
    fallback_every: timedelta

    #: Age above which staleness is an error at any hour: a night and a weekend are not.
    lost_after = timedelta(hours=72)
    #: Age of the newest data above which pulls that find nothing are doubted.
    quiet_after = timedelta(days=7)

    @property
    def cron(self) -> str:
        """When it is pulled live."""
        return f"{self.minutes} {{hours}} * * 1-5"

    @property
    def fallback_cron(self) -> str:
        """When it is pulled as well while its webhooks are silent."""
        return f"{self.fallback_minutes} {{hours}} * * 1-5"

    @property
    def pool(self) -> str:
        """The concurrency pool of its loads."""
        return self.name

    @property
    def priority(self) -> int:
        """Of its live runs."""
        return self.tier.priority


#: Issues and pull requests are what most risks are about, so both are pulled by the alert tier.
SOURCES = (
    Source("jira", "Jira", ALERT, "*/10", timedelta(minutes=30), "5-59/10", timedelta(minutes=5)),
    Source("github", "GitHub", ALERT, "*/10", timedelta(minutes=30), "5-59/10", timedelta(minutes=5)),
    Source("slack", "Slack", OPERATIONAL, "*/15", timedelta(minutes=45), "5-59/15,10-59/15", timedelta(minutes=5)),
    Source("fireflies", "Fireflies", STANDARD, "0", timedelta(hours=3), "20,40", timedelta(minutes=20)),
    Source("notion", "Notion", STANDARD, "15", timedelta(hours=3), "0,30,45", timedelta(minutes=15)),
    Source("tempo", "Tempo", STANDARD, "*/30", timedelta(minutes=90), "10-59/30,20-59/30", timedelta(minutes=10)),
)

#: Priority of a run that reads a day again whose events no pull has shown: behind everything that is awaited.
READ_AGAIN = -10


@dataclass(frozen=True)
class Build:
    """One job that a schedule runs.

    Args:
        schedule: name of the schedule.
        job: the job.
        tier: its tier.
        cron: when.
    """

    schedule: str
    job: str
    tier: Tier
    cron: str


BUILDS = (
    # Two minutes after the pulls of its tier, which take seconds: what changed is told within 15 minutes.
    Build("risk", "risk", ALERT, "2-59/10 {hours} * * 1-5"),
    Build("marts", "build", ANALYTICAL, "30 {hours}/2 * * 1-5"),
    Build("nightly_close", "nightly", STRATEGIC, f"{CLOSING.minute} {CLOSING.hour} * * *"),
    # Every Sunday, with it the first of the month: cron takes a day of the month and one of the week as either of them.
    Build("weekly_rebuild", "rebuild", DEEP, "0 3 * * 0"),
    # After the nightly close: what it could not pull is often filled by then.
    Build("weekly_tables", "build", DEEP, "0 7 * * 1"),
)
