"""Dagster's launcher of runs, which here also says whether the process of a run still lives.

Dagster's own cannot say: a run whose code server was killed, or whose machine lost its power, counts as started until
``max_runtime_seconds`` are over, and holds its source's pool so long. But a code server knows which runs it has, and a
shell holds a lock while it runs one. A run that nobody has is failed by the daemon's monitoring; if it was a code
server's, it is then repeated as after every crash.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value

from impulsum_pipelines.base.home import Home
from impulsum_pipelines.settings import load_settings


def of_shell(run_id: str) -> str:
    """The name under which a shell's process lives while it executes a run: see :meth:`Home.process_alive`."""
    return f"run-{run_id}"


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code server, and asks whoever has a run for it; ``dagster.yaml`` names it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether :meth:`check_run_worker_health` is worth a call."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the code server answers, and does not have the run, or the shell that had it was killed here.

        Nobody's word counts as no news.
        """
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:  # a shell runs it, in a process of its own, maybe of another machine
            if Home.of(load_settings()).is_dead(of_shell(run.run_id)):
                return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the shell that ran it was killed.")
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError as error:  # it starts, or is of a kind that cannot say
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"The code server does not say: {error}")
        if current.serializable_error_info or run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run ended with its code server.")
