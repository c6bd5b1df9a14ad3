"""The worker of ``up`` as a child process; one that ends by itself is replaced."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from deploy.prefect_server.settings import clean_environment, open_log
from deploy.prefect_server.stopping import STOP, STOP_SECONDS
from tasks.logs import log

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class Worker:
    """The worker process, from ``__enter__`` to ``__exit__``.

    Attributes:
        name: Name of the worker in Prefect's pages.
    """

    def __init__(
        self, home: Path, environment: Mapping[str, str], *, runs_at_once: int, pool: str
    ) -> None:
        self.name = f"up on {socket.gethostname()}"  # several machines may share one pool
        self._home = home
        self._environment = {**clean_environment(home, os.environ), **environment}
        self._arguments = [str(runs_at_once), pool]
        self._is_stopping = threading.Event()
        self._child = self._spawn()

    def __enter__(self) -> Self:
        threading.Thread(target=self._follow, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Have the worker interrupt its flows, and wait until they have ended."""
        self._is_stopping.set()
        child = self._child
        with contextlib.suppress(OSError):  # it has ended already
            _stdin_of(child).write(STOP)
            _stdin_of(child).flush()
        try:
            child.wait(STOP_SECONDS + 10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        _close_stdin(child)

    @property
    def pid(self) -> int:
        """The number of the worker's process."""
        return self._child.pid

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "deploy.prefect_server.worker_child"]
        command += [self.name, *self._arguments]
        options: dict[str, Any] = {"start_new_session": True}  # Ctrl-C is for us alone
        if sys.platform == "win32":
            options = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
        with open_log(self._home / "worker.log") as words:
            return subprocess.Popen(
                command,
                env=self._environment,
                cwd=self._home,
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                **options,
            )

    def _follow(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            code = self._child.wait()
            if self._is_stopping.is_set():
                return
            log.warning("the worker ended (%s); it is started again", code)
            if self._is_stopping.wait(pause_seconds):
                return
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
            _close_stdin(self._child)
            self._child = self._spawn()


def _stdin_of(child: subprocess.Popen[bytes]) -> Any:  # noqa: ANN401  a pipe, as we asked
    return child.stdin


def _close_stdin(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        _stdin_of(child).close()
