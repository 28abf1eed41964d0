"""Runs a Dagster job in this process, so that runs of the shell are in the same history as those of schedules."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
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
    from dagster._core.remote_origin import RemoteJobOrigin

log = logging.getLogger(__name__)

#: The person at the terminal sees that a run ended early. With an origin, Dagster's daemon would also repeat it.
_NOT_REPEATED = {"dagster/max_retries": "0"}


@dataclass(frozen=True)
class CheckOutcome:
    """The outcome of one asset check in a run.

    Args:
        asset: the checked asset, such as ``jira/issues``.
        name: name of the check.
        passed: True when it passed.
        is_error: True when a failure is an error, False when it is a warning.
        says: the check's message.
    """

    asset: str
    name: str
    passed: bool
    is_error: bool
    says: str


@dataclass
class RunReport:
    """The results of a run that succeeded.

    Args:
        run_id: its id in Dagster.
        materialized: metadata of each materialized asset, by asset, such as ``jira/issues``.
        checks: every check that ran.
    """

    run_id: str
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[CheckOutcome] = field(default_factory=list)

    @property
    def failed(self) -> list[CheckOutcome]:
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
    """Run a job of the code location in this process, with progress on stderr.

    Args:
        name: name of the job.
        settings: the settings.
        partition_key: the day (UTC) of the run.
        tags: tags of the run, such as those of a range of days.
        ops: run configuration by op.
        marts: False for a job without marts, which then never waits until dbt has parsed its project.

    Raises:
        ImpulsumError: what failed, with its next step. The run and its log are in Dagster's history.
    """
    run_id = str(uuid4())
    with progress_bars("loading the project"), _own_terminal(), _in_dagster_home(settings):
        import dagster as dg

        from impulsum_pipelines.definitions import build_definitions, build_source_definitions
        from impulsum_pipelines.deploy.run_launcher import shell_lock

        definitions = build_definitions() if marts else build_source_definitions()
        with dg.DagsterInstance.get() as instance, interruptible(), Home.of(settings).process_alive(shell_lock(run_id)):
            instance.add_event_listener(run_id, _report_progress)
            # `execute_in_process` has no parameter for it.
            instance.create_run_for_job = partial(  # type: ignore[method-assign]
                instance.create_run_for_job, remote_job_origin=_origin(name)
            )
            result = definitions.resolve_job_def(name).execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=partition_key,
                tags={STARTED_BY_TAG: "shell", **_NOT_REPEATED, **(tags or {})},
                run_config={
                    "ops": dict(ops or {}),
                    # The terminal shows only the result; everything else is in the log of the run.
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                raise_on_error=False,
            )
    if not result.success:
        raise _error(name, run_id, result.all_events)
    return _report(run_id, result.all_events)


def _origin(job: str) -> RemoteJobOrigin:
    """The job of the code location. Dagster shows a run without it in the list of runs, but not with its job."""
    from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
    from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

    from impulsum_pipelines.deploy import LOCATION

    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), SINGLETON_REPOSITORY_NAME).get_job_origin(job)


def _report_progress(record: dg.EventLogEntry) -> None:
    """Show a step that starts or waits for a retry on the terminal."""
    event = record.dagster_event
    if event is None:
        return
    if event.event_type_value == "STEP_START":
        reporter()(_stage(event.step_key), 0, None)
    elif event.event_type_value == "STEP_UP_FOR_RETRY":
        # A wait can be minutes long: the person at the terminal must see the reason.
        wait = event.step_retry_data.seconds_to_wait or 0
        reporter()(f"{_stage(event.step_key)} failed; retry in {wait:.0f} s", 0, None)
        log.warning("%s failed; retry in %.0f s", _stage(event.step_key), wait)


def _stage(step_key: str | None) -> str:
    """A step as people call it: ``published/impulsum`` for ``published__impulsum``, ``jira pull`` for ``jira_pull``."""
    return (step_key or "").replace("__", "/").replace("_", " ")


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
                CheckOutcome(
                    asset=evaluation.asset_key.to_user_string(),
                    name=evaluation.check_name,
                    passed=evaluation.passed,
                    is_error=evaluation.severity.value == "ERROR",
                    says=evaluation.description or "",
                )
            )
    return report


def _error(name: str, run_id: str, events: Sequence[dg.DagsterEvent]) -> ImpulsumError:
    """The error of a failed run: that of the step that failed, or else Dagster's message."""
    for event in events:
        if event.event_type_value != "STEP_FAILURE":
            continue
        failure = event.step_failure_data
        described = failure.user_failure_data
        if described and (error := error_of(described.metadata)):
            return error
        reason = failure.error
        while reason and reason.cause:
            reason = reason.cause
        cause = described.description if described else (reason.message.strip() if reason else "no reason given")
        log.debug("%s", failure.error and failure.error.to_string())
        return _unexplained(name, run_id, f"{event.step_key}: {cause}")
    return _unexplained(name, run_id, "no step failed")


def _unexplained(name: str, run_id: str, cause: str) -> ImpulsumError:
    return ImpulsumError(
        Category.INTERNAL,
        f"The job {name} failed: {cause}",
        safe="Data that earlier runs loaded and published is unchanged.",
        next_step=f"read the log of run {run_id[:8]} in `make dev`, or run again with `impulsum --debug`.",
    )


def dagster_home(settings: Settings) -> Path:
    """The folder in DAGSTER_HOME, or else the one in the state folder; created, and with our configuration in it."""
    from impulsum_pipelines.deploy import install

    chosen = os.environ.get("DAGSTER_HOME")
    folder = (Path(chosen) if chosen else Home.of(settings).dagster).absolute()
    install(folder)
    return folder


@contextmanager
def interruptible() -> Iterator[None]:
    """End the run when its terminal closes, as Ctrl-C does; under nohup it continues. Dagster handles SIGTERM.

    When a signal arrives during a callback of Python's garbage collector, Python drops the exception. That is frequent
    while so much is imported, so the signal is raised again.
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
    # PostgreSQL writes the creation time of a run in the zone of the session, and Dagster reads it as UTC.
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

    Dagster copies what steps print, such as dbt's whole log, to its run log and to file descriptors 1 and 2. Inside
    the block these two lead to /dev/null; progress is drawn on a separate descriptor.
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
