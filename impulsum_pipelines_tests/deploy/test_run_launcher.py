"""A run of the shell whose process ends early is marked as failed, and its source can be pulled again."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.op_concurrency_limits_counter import GlobalOpConcurrencyLimitsCounter
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import should_retry
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration

from impulsum_pipelines.cli.runs import interruptible
from impulsum_pipelines.sandbox.server import Running

#: Under nohup the tests ignore SIGHUP, and their child processes would ignore it too.
_AT_A_TERMINAL = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"


@pytest.fixture
def site(sandbox: Callable[..., Running]) -> Running:
    """A slow site."""
    served = sandbox(seed=4, issues=20)
    served.control("latency", milliseconds=3000)
    return served


@contextmanager
def pulling(instance: dg.DagsterInstance) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A shell that pulls Tempo, and the id of its run."""
    command = [sys.executable, "-c", f"{_AT_A_TERMINAL}; from impulsum_pipelines.cli import main; main()"]
    command += ["sync", "tempo"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy()) as shell:
        try:
            until = time.monotonic() + 60
            while not (started := [run.run_id for run in instance.get_runs() if _steps(instance, run.run_id)]):
                assert time.monotonic() < until and shell.poll() is None, "the pull begins"
                time.sleep(0.1)
            yield shell, started[0]
        finally:
            shell.kill()


def _steps(instance: dg.DagsterInstance, run_id: str) -> list[Any]:
    return list(instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_START))


def monitor(instance: dg.DagsterInstance) -> None:
    """Monitor runs, as the daemon does every half minute."""
    daemon: Any = SimpleNamespace(instance=instance, create_request_context=lambda: None)
    assert [*execute_run_monitoring_iteration(daemon, logging.getLogger(__name__))] == [None]


def status(instance: dg.DagsterInstance, run_id: str) -> str:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status.name


def blocks_the_next(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a run that needs the same pool must wait in the queue."""
    next_one = instance.get_run_by_id(run_id)
    assert next_one is not None and next_one.run_op_concurrency is not None
    running = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    pools = instance.event_log_storage
    if "tempo" not in {
        pool.name for pool in pools.get_pool_limits()
    }:  # once, as Dagster does: on PostgreSQL a second time fails
        pools.initialize_concurrency_limit_to_default("tempo")
    counter = GlobalOpConcurrencyLimitsCounter(
        instance,
        [next_one],
        running,
        pools.get_concurrency_keys(),
        pools.get_pool_limits(),
        pool_granularity=instance.get_concurrency_config().pool_config.pool_granularity,
    )
    return counter.is_blocked(next_one)


@pytest.mark.usefixtures("site")
def test_a_killed_shell_is_detected_and_its_pool_is_released(instance: dg.DagsterInstance) -> None:
    with pulling(instance) as (shell, run_id):
        monitor(instance)
        assert status(instance, run_id) == "STARTED" and blocks_the_next(instance, run_id)
        shell.kill()
        shell.wait()
        monitor(instance)
    assert status(instance, run_id) == "FAILURE" and not blocks_the_next(instance, run_id)
    [failed] = instance.all_logs(run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "shell that ran it was killed" in failed.message
    run = instance.get_run_by_id(run_id)
    assert run and not should_retry(run, instance), "the daemon must not repeat what a person started"


@pytest.mark.usefixtures("site")
def test_a_closed_terminal_ends_its_run(instance: dg.DagsterInstance) -> None:
    with pulling(instance) as (shell, run_id):
        shell.send_signal(signal.SIGHUP)
        _, output = shell.communicate(timeout=60)
    assert status(instance, run_id) == "FAILURE", output
    assert not blocks_the_next(instance, run_id)


class Collected:
    """Raises a signal while Python collects it."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGHUP)


def test_an_interrupt_that_python_drops_is_raised_again() -> None:
    doomed, before = Collected(), signal.signal(signal.SIGHUP, signal.SIG_DFL)
    began = time.monotonic()
    try:
        with interruptible(), pytest.raises(KeyboardInterrupt):
            del doomed
            threading.Event().wait(60)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert time.monotonic() - began < 30, "it waited for the event"
