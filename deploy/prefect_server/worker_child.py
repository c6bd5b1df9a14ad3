"""The process of the worker, which starts flows as processes of their own.

    python -m deploy.prefect_server.worker_child NAME RUNS_AT_ONCE POOL

Its parent holds the other end of its standard input. When the parent writes ``stop``, the worker
starts nothing more, interrupts its flows as Ctrl-C would, and ends after them, so that each run
gives its locks back and tells the server how it ended. When the parent ends without a word, the
worker ends at once and leaves its flows at work: they go on with the next server on the same
address.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from typing import NoReturn

import psutil
from prefect.client.schemas.objects import FlowRun
from prefect.workers.process import ProcessWorker

from deploy.prefect_server.stopping import STOP, STOP_SECONDS

_POLL_SECONDS = 0.2


# Prefect keeps one class for each type of worker; it is to be ours here.
warnings.filterwarnings("ignore", message="Type 'SiteWorker'")


class SiteWorker(ProcessWorker):
    """A process worker that can be told to start nothing more."""

    is_stopping = False

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Start what is due, unless the worker is stopping."""
        return [] if self.is_stopping else await super().get_and_submit_flow_runs()


def main(name: str, runs_at_once: int, pool: str) -> None:
    """Work until the parent says stop or ends."""
    worker = SiteWorker(
        work_pool_name=pool, name=name, limit=runs_at_once, create_pool_if_not_found=False
    )
    threading.Thread(target=_wait_for_parent, args=(worker,), daemon=True).start()
    asyncio.run(worker.start(printer=lambda *_: None))


def _wait_for_parent(worker: SiteWorker) -> NoReturn:
    word = b""
    with contextlib.suppress(OSError):
        word = os.read(sys.stdin.fileno(), len(STOP))
    if word:
        worker.is_stopping = True
        _stop_flows()
    os._exit(0)


def _stop_flows() -> None:
    """Interrupt the flows and wait for them; one that is still starting is told again."""
    give_up = time.monotonic() + STOP_SECONDS
    told: set[int] = set()
    while (flows := psutil.Process().children()) and time.monotonic() < give_up:
        for flow in flows:
            if flow.pid not in told:
                told.add(flow.pid)
                with contextlib.suppress(psutil.NoSuchProcess):
                    _interrupt(flow)
        time.sleep(_POLL_SECONDS)


def _interrupt(flow: psutil.Process) -> None:
    if sys.platform == "win32":
        flow.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        flow.terminate()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
