"""A run launcher that also says whether the process of a run is still alive.

Dagster's own launcher cannot: a run whose code server was killed, or whose machine lost power, counts as started for
``max_runtime_seconds``, and blocks the pool of its source that long. But a code server knows its runs, and a shell has
a lock while it executes a run. A run without a process is marked as failed by the daemon's monitoring; a run of a code
server is then repeated, as after every crash.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import load_settings


def shell_lock(run_id: str) -> str:
    """Name of the lock that a shell has while it executes a run, see :meth:`Home.process_alive`."""
    return f"run-{run_id}"


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code server, and finds out whether a run is alive. ``dagster.yaml`` names this class."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: Dagster may call :meth:`check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the code server answers that it does not have the run, or its shell was killed here.

        ``RUNNING`` in all other cases, also when nobody answers.
        """
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:  # a shell executes it, maybe on another machine
            if Home.of(load_settings()).is_dead(shell_lock(run.run_id)):
                return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the shell that ran it was killed.")
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError as error:  # it is starting, or cannot answer this
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"The code server does not answer: {error}")
        if current.serializable_error_info or run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run ended with its code server.")
