"""Dagster's launcher of runs, which here also says whether the process of a run still lives.

Dagster's own cannot say: a run whose code server was killed, or whose machine lost its power, counts as started until
``max_runtime_seconds`` are over, and holds its source's pool so long. But a code server knows which runs it has. One
that it should have and has not is failed by the daemon's monitoring, and then repeated as after every crash.
"""

from __future__ import annotations

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import GetCurrentRunsResult
from dagster._serdes import deserialize_value


class WatchedRunLauncher(dg.DefaultRunLauncher):
    """Starts runs in the code server, and asks it for them; ``dagster.yaml`` names it."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether :meth:`check_run_worker_health` is worth a call."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` only when the code server answers, and does not have the run; nobody's word counts as no news."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:  # the shell runs it, in a process of its own
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        try:
            current = deserialize_value(client.get_current_runs(), GetCurrentRunsResult)
        except DagsterUserCodeUnreachableError as error:  # it starts, or is of a kind that cannot say
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"The code server does not say: {error}")
        if current.serializable_error_info or run.run_id in current.current_runs:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "The process of the run ended with its code server.")
