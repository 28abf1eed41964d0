"""Dagster's daemon and code server in this process, at any time that a test sets.

Schedules tick when they are due, sensors every few minutes, and the runs that they request are executed at once, one
after the other. So a week passes in minutes. Marts are not built: only pulls, alerts and filled days matter here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._utils.schedules import schedule_execution_time_iterator
from time_machine import Traveller

from impulsum_pipelines.automation.jobs import PULLING_ALL
from impulsum_pipelines.automation.runs import RANGE_TAGS
from impulsum_pipelines.definitions import build_definitions
from impulsum_pipelines.tiers import SOURCES

#: Jobs that build marts and publish, or delete old rows.
_MARTS = frozenset({"risk", "build", "rebuild", "maintenance"})
#: Runs write nothing to the console.
_QUIETLY = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
#: How often sensors tick here; in production it is every few seconds.
SENSORS_EVERY = timedelta(minutes=5)


@dataclass(frozen=True)
class Ran:
    """One run.

    Args:
        at: when it was requested.
        started_by: the schedule or sensor.
        job: the job.
        partition: its day, or its range of days.
        success: whether it succeeded.
    """

    at: datetime
    started_by: str
    job: str
    partition: str
    success: bool


@dataclass
class Machine:
    """A running machine.

    Args:
        instance: its Dagster instance; another machine with the same instance continues from there.
        clock: the time of the process.
        ran: every run.
        skip_reasons: the newest reason of each sensor or schedule for requesting nothing.
    """

    instance: dg.DagsterInstance
    clock: Traveller
    ran: list[Ran] = field(default_factory=list)
    skip_reasons: dict[str, str] = field(default_factory=dict)
    _run_keys: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._project = build_definitions()
        self._repository = self._project.get_repository_def()

    def work(self, until: datetime) -> None:
        """Let time pass until then, and do what is due. Schedules that are due together tick in their defined order."""
        now = datetime.now(UTC)
        due = sorted(
            (at, order, schedule.name)
            for order, schedule in enumerate(self._repository.schedule_defs)
            if schedule.job_name not in _MARTS
            for at in _ticks(schedule, now, until)
        )
        ticks = int((until - now) / SENSORS_EVERY)
        moments = [(now + SENSORS_EVERY * step, -1, "") for step in range(1, ticks + 1)]
        for at, _, schedule in sorted([*due, *moments]):
            self.clock.move_to(at)
            if schedule:
                self._tick_schedule(schedule, at)
            else:
                self._tick_sensors(at)
        self.clock.move_to(until)

    def _tick_schedule(self, name: str, at: datetime) -> None:
        context = dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=at, repository_def=self._repository
        )
        schedule = self._repository.get_schedule_def(name)
        tick = schedule.evaluate_tick(context)
        self._note(name, tick.skip_message)
        for request in tick.run_requests or ():
            self._run(request, schedule.job_name, name, "dagster/schedule_name", at)

    def _tick_sensors(self, at: datetime) -> None:
        for sensor in self._repository.sensor_defs:
            context = dg.build_sensor_context(instance=self.instance, repository_def=self._repository)
            tick = sensor.evaluate_tick(context)
            self._note(sensor.name, tick.skip_message)
            for request in tick.run_requests or ():
                self._run(request, request.job_name, sensor.name, "dagster/sensor_name", at)

    def _note(self, name: str, skipped: str | None) -> None:
        if skipped:
            self.skip_reasons[name] = skipped

    def _run(self, request: dg.RunRequest, job_name: str | None, started_by: str, tag: str, at: datetime) -> None:
        assert job_name is not None
        if request.run_key in self._run_keys:
            return  # as Dagster does
        if request.run_key:
            self._run_keys.add(request.run_key)
        pulls = dg.AssetSelection.groups(*(source.name for source in SOURCES))
        job = self._project.resolve_job_def(job_name)
        selected = pulls.resolve(self._repository.asset_graph) if job_name in PULLING_ALL else None
        result = job.execute_in_process(
            instance=self.instance,
            run_config={**request.run_config, **_QUIETLY},
            partition_key=request.partition_key,
            tags={**request.tags, tag: started_by},
            asset_selection=sorted(selected) if selected else None,
            raise_on_error=False,
        )
        days = request.partition_key or " to ".join(filter(None, map(request.tags.get, RANGE_TAGS)))
        self.ran.append(Ran(at, started_by, job_name, days, result.success))


def _ticks(schedule: dg.ScheduleDefinition, after: datetime, until: datetime) -> Iterator[datetime]:
    """When the schedule is due, from ``after`` (excluded) to ``until`` (included)."""
    start = (after + timedelta(seconds=1)).timestamp()
    zone = schedule.execution_timezone or "UTC"
    for at in schedule_execution_time_iterator(start, schedule.cron_schedule, zone):
        if at > until:
            return
        yield at.astimezone(UTC)
