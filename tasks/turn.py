"""Wait of a served run for its turn on a server, with a state of its own on Prefect's page.

A run of a deployment has nobody who would start it again. So where a command ends with 4 because
another run has a lock, or because a ``wsusutil`` works on the server, it waits. A step that refuses
for one of these reasons has changed nothing that cannot be done again, so that it is
tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import get_client
from prefect.context import FlowRunContext
from prefect.states import Running

from tasks.ledger.runs import Runs
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.refusals import LockHeldError, WsusutilRunningError
from tasks.run.context import RunContext

R = TypeVar("R")

WAITING = "Waiting"
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 20.0


def in_turn(run: RunContext | None, work: Callable[[], R]) -> R:
    """Do the work of a step; a served run waits while another one has the server or the medium.

    Args:
        run: The run; None: nobody waits.
        work: The step; it may be called many times.

    Raises:
        LockHeldError, WsusutilRunningError: The run was typed by a person, or only rehearses; or
            the same owner has been there for ``server.command_limit_hours``, because an owner on
            another machine is never proved gone.
    """
    try:
        return work()
    except (LockHeldError, WsusutilRunningError) as error:
        if run is None or not run.by_api or run.rehearses:
            raise
        refusal = error
    limit_seconds = run.site.server.command_limit_hours * 3_600
    _show(run.ledger, run.run_id, Running(name=WAITING, message=refusal.message))
    try:
        return _wait(work, refusal, limit_seconds=limit_seconds, line_seconds=run.wait_line_seconds)
    finally:
        _show(run.ledger, run.run_id, Running(), instead_of=WAITING)


def _wait(
    work: Callable[[], R],
    refusal: LockHeldError | WsusutilRunningError,
    *,
    limit_seconds: float,
    line_seconds: float,
) -> R:
    since = line_at = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    while True:
        if time.monotonic() >= line_at:
            log.info("%s; this run waits for it", refusal.message)
            line_at = time.monotonic() + line_seconds
        time.sleep(min(pause, line_seconds))
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
        try:
            return work()
        except (LockHeldError, WsusutilRunningError) as error:
            if error.message != refusal.message:
                since = line_at = time.monotonic()
            refusal = error
            if time.monotonic() - since > limit_seconds:
                raise


def _show(
    ledger: Ledger,
    run_id: str,
    state: Any,  # noqa: ANN401  Prefect's State
    *,
    instead_of: str | None = None,
) -> None:
    """Show a state on the run's page, unless somebody has cancelled the run meanwhile."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    try:
        with get_client(sync_client=True) as client:
            current = client.read_flow_run(context.flow_run.id).state
            if current is None or not current.is_running():
                return
            if instead_of is not None and current.name != instead_of:
                return
            client.set_flow_run_state(context.flow_run.id, state, force=True)
            # Prefect counts this as another start; what is closed later is looked up by it.
            attempt = client.read_flow_run(context.flow_run.id).run_count
    except Exception as error:  # noqa: BLE001  a page that is not right must not end the wait
        log.warning("the page does not show that this run waits: %s", error)
        return
    runs = Runs(ledger)
    record = runs.read(run_id)
    if record is not None:
        runs.write(record.model_copy(update={"attempt": attempt}))
