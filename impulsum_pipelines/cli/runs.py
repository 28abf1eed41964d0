"""Runs a Dagster job in this process, so that what the shell does is in the same history as what schedules do."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer, get_ident
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from impulsum_pipelines.base.failing import error_of
from impulsum_pipelines.base.home import Home
from impulsum_pipelines.base.progress import reporter
from impulsum_pipelines.cli.console import progress_bars
from impulsum_pipelines.errors import Category, ImpulsumError
from impulsum_pipelines.loading.history import STARTED_BY_TAG
from impulsum_pipelines.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One check's outcome in a run.

    Args:
        asset: what it judged, such as ``jira/issues``.
        name: the check.
        passed: its verdict.
        is_error: True when a failure is an error, False when it is a warning.
        says: its own words.
    """

    asset: str
    name: str
    passed: bool
    is_error: bool
    says: str


@dataclass
class RunReport:
    """What a run that succeeded did.

    Args:
        run_id: its id in Dagster.
        materialized: metadata by asset, such as ``jira/issues``.
        checks: every check that was evaluated.
    """

    run_id: str
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def failed(self) -> list[Check]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]


def run_job(
    name: str,
    settings: Settings,
    *,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, object] | None = None,
    marts: bool = True,
) -> RunReport:
    """Execute a job of the code location here and now, with progress on a terminal.

    Args:
        name: the job.
        settings: the settings.
        partition_key: the day (UTC) that the run is for.
        tags: tags of the run, such as those of a range of days.
        ops: run configuration by op.
        marts: False for a job without marts, which then never waits for dbt to parse its project.

    Raises:
        ImpulsumError: what failed, with its next step; the run and its log are in Dagster's history.
    """
    run_id = str(uuid4())
    with progress_bars("loading the project"), _own_terminal(), _in_dagster_home(settings):
        import dagster as dg

        from impulsum_pipelines.definitions import build_definitions, build_source_definitions
        from impulsum_pipelines.deploy.run_launcher import of_shell

        definitions = build_definitions() if marts else build_source_definitions()
        with dg.DagsterInstance.get() as instance, interruptible(), Home.of(settings).process_alive(of_shell(run_id)):
            instance.add_event_listener(run_id, _tell)
            result = definitions.resolve_job_def(name).execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=partition_key,
                tags={STARTED_BY_TAG: "shell", **(tags or {})},
                run_config={
                    "ops": dict(ops or {}),
                    # The terminal is for the result; everything else is in the run's own log.
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
    if not result.success:
        raise _error(name, run_id, result.all_events)
    return _report(run_id, result.all_events)


def _tell(record: dg.EventLogEntry) -> None:
    """Pass on what a watcher at the terminal would want to know of the run's events."""
    event = record.dagster_event
    if event is None:
        return
    if event.event_type_value == "STEP_START":
        reporter()(f"{event.step_key}", 0, None)
    elif event.event_type_value == "STEP_UP_FOR_RETRY":
        # Some waits are minutes long: whoever looks at the terminal must know what is waited for.
        wait = event.step_retry_data.seconds_to_wait or 0
        reporter()(f"{event.step_key} failed; trying again in {wait:.0f} s", 0, None)
        log.warning("%s failed and is tried again in %.0f s", event.step_key, wait)


def _report(run_id: str, events: Sequence[dg.DagsterEvent]) -> RunReport:
    report = RunReport(run_id)
    for event in events:
        if event.event_type_value == "ASSET_MATERIALIZATION" and event.asset_key:
            metadata = event.step_materialization_data.materialization.metadata
            report.materialized[event.asset_key.to_user_string()] = {
                name: value.value for name, value in metadata.items()
            }
        elif event.event_type_value == "ASSET_CHECK_EVALUATION":
            evaluation = event.asset_check_evaluation_data
            report.checks.append(
                Check(
                    asset=evaluation.asset_key.to_user_string(),
                    name=evaluation.check_name,
                    passed=evaluation.passed,
                    is_error=evaluation.severity.value == "ERROR",
                    says=evaluation.description or "",
                )
            )
    return report


def _error(name: str, run_id: str, events: Sequence[dg.DagsterEvent]) -> ImpulsumError:
    """The failure of a run in the words of the step that failed, or of Dagster where the step had none."""
    for event in events:
        if event.event_type_value != "STEP_FAILURE":
            continue
        failure = event.step_failure_data
        told = failure.user_failure_data
        if told and (error := error_of(told.metadata)):
            return error
        reason = failure.error
        while reason and reason.cause:
            reason = reason.cause
        said = told.description if told else (reason.message.strip() if reason else "no reason given")
        log.debug("%s", failure.error and failure.error.to_string())
        return _unexplained(name, run_id, f"{event.step_key}: {said}")
    return _unexplained(name, run_id, "no step failed")


def _unexplained(name: str, run_id: str, said: str) -> ImpulsumError:
    return ImpulsumError(
        Category.INTERNAL,
        f"The job {name} failed: {said}",
        safe="What earlier runs loaded and published is unchanged.",
        next_step=f"look at run {run_id[:8]} in `make dev`, or run again with `impulsum --debug`.",
    )


def dagster_home(settings: Settings) -> Path:
    """DAGSTER_HOME as it is set, or else the one of the state folder; made ready with our configuration."""
    from impulsum_pipelines.deploy import install

    chosen = os.environ.get("DAGSTER_HOME")
    folder = (Path(chosen) if chosen else Home.of(settings).dagster).absolute()
    install(folder)
    return folder


@contextmanager
def interruptible() -> Iterator[None]:
    """A terminal that goes away ends the run as Ctrl-C does; Dagster itself sees to SIGTERM. Under nohup it goes on.

    Python drops what a signal raises where that falls into a callback of its garbage collector, which is often, while
    so much is imported. It is raised again then.
    """
    from dagster import DagsterExecutionInterruptedError

    main = get_ident()
    hook, is_ours = sys.unraisablehook, signal.getsignal(signal.SIGHUP) is signal.SIG_DFL

    def raise_again(dropped: sys.UnraisableHookArgs) -> None:
        if isinstance(dropped.exc_value, (KeyboardInterrupt, DagsterExecutionInterruptedError)):
            Timer(0.1, signal.pthread_kill, (main, signal.SIGINT)).start()
        else:
            hook(dropped)

    sys.unraisablehook = raise_again
    if is_ours:
        signal.signal(signal.SIGHUP, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        sys.unraisablehook = hook
        if is_ours:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def _in_dagster_home(settings: Settings) -> Iterator[None]:
    # Dagster lets PostgreSQL write when a run was made, in the zone of the session, and reads it as UTC.
    ours = {"DAGSTER_HOME": str(dagster_home(settings)), "PGTZ": "UTC"}
    before = {name: os.environ.get(name) for name in ours}
    os.environ |= ours
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _own_terminal() -> Iterator[None]:
    """Keep the output of the run off the terminal.

    Dagster copies what steps print, dbt's whole log above all, to its run log and on to wherever file descriptors
    1 and 2 lead. Their copy leads nowhere meanwhile; progress is drawn on a descriptor of its own.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, saved in enumerate(kept, start=1):
            os.dup2(saved, descriptor)
            os.close(saved)
        os.close(nowhere)
