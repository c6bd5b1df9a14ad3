"""The embedded Prefect server: it listens on loopback and lives as long as one command.

The server is a child process. Database and log lie in its home folder, and the next server there
uses them again. It refuses foreign origins. Unless ``up`` says otherwise, it listens on a free
loopback port and demands a secret that is new for every server and is given only to our own child
and client. No data leave the machine.
"""

from __future__ import annotations

import http.client
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from deploy.prefect_server.embedded_child import ENTER_PATH
from deploy.prefect_server.settings import (
    Listening,
    clean_environment,
    open_log,
    server_settings,
)
from tasks.errors import HostFileError, PrefectServerError

log = logging.getLogger("wsus_airgap")

READY_SECONDS = 180.0
_STOP_SECONDS = 10.0
_RESTARTS = 3


def _listen(listening: Listening) -> socket.socket:
    """Listen before the child starts, so that no other program can take it.

    On POSIX this process holds the socket until the command ends. While a dead child is being
    replaced, requests wait in the socket's queue, and no other process can listen on the port
    and receive the secret.
    """
    family = socket.AF_INET6 if ":" in listening.bind_address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((listening.bind_address, listening.port or 0))
        listener.listen(128)
    except OSError as error:
        listener.close()
        remedy = "Choose another port, or end what listens there."
        address = f"{listening.bind_address}:{listening.port}"
        raise PrefectServerError(address=address, reason=str(error), remedy=remedy) from error
    return listener


def _ended(code: int) -> str:
    """A phrase for the end of a child; a negative exit code stands for a signal."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def entrance(address: str, auth_string: str | None) -> str:
    """Make the URL of a page that logs the browser in; it contains the secret."""
    return f"{address}{ENTER_PATH}" + (f"#{auth_string}" if auth_string else "")


class EmbeddedServer:
    """A Prefect server as a child of this process.

    ``start`` returns at once and ``wait_ready`` waits, so that imports can run meanwhile. The
    child ends with ``stop``, and also by itself as soon as this process ends in any way.

    Attributes:
        home: Folder of database, results and log; made if it is missing.
        port: The port.
        auth_string: The secret, ``name:password``; None if authentication is switched off.

    Raises:
        PrefectServerError: The port is taken.
    """

    def __init__(
        self,
        home: Path,
        *,
        ui: bool = False,
        auth: bool = True,
        listening: Listening | None = None,
    ) -> None:
        """Listen at once; without ``listening`` on any free port of loopback, with a new secret."""
        self.home = home.absolute()
        secret = f"wsus-airgap:{secrets.token_urlsafe(32)}" if auth else None
        self._listening = listening or Listening(auth_string=secret)
        self.auth_string = self._listening.auth_string
        self._ui = ui
        self._socket = _listen(self._listening)
        self.port: int = self._socket.getsockname()[1]
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # guards the attributes that follow
        self._is_stopping = False
        self._has_answered = False
        self._fault: PrefectServerError | None = None
        self._told: Callable[[PrefectServerError], object] = lambda _fault: None

    @property
    def address(self) -> str:
        """The address of the server for programs of this machine."""
        return f"http://{self._listening.local_address}:{self.port}"

    @property
    def api_url(self) -> str:
        """The URL of the API, for a client of this server."""
        return f"{self.address}/api"

    @property
    def ui_url(self) -> str:
        """The URL of a page that logs the browser in and shows the runs; it contains the secret."""
        return entrance(self._listening.public_address or self.address, self.auth_string)

    @property
    def log_path(self) -> Path:
        """The log file of the server."""
        return self.home / "server.log"

    def start(self) -> Self:
        """Start the child and return at once; a child that ends too early is replaced.

        Its standard output and error go to its log, so that a program that reads ours need not
        wait for the child to close them. It has its own session, so that Ctrl-C ends the flow
        first.

        Raises:
            HostFileError: The home folder cannot be made or written; the port is free again.
        """
        try:
            self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._child = self._spawn()
        except OSError as error:
            self._socket.close()
            raise HostFileError(operation="make", path=self.home, reason=str(error)) from None
        threading.Thread(target=self._follow, args=(self._child,), daemon=True).start()
        return self

    def _spawn(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "deploy.prefect_server.embedded_child", "serve"]
        command += ["--home", str(self.home), "--port", str(self.port)]
        command += ["--ui"] if self._ui else []
        for host in self._listening.hosts(self.port):
            command += ["--host", host]
        if self._listening.public_address is not None:
            command += ["--origin", self._listening.public_address]
        environment = clean_environment(self.home, os.environ)
        environment |= server_settings(self.home, self.port, self._listening, ui=self._ui)
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        streams: dict[str, Any] = {"stdin": subprocess.PIPE}
        if sys.platform == "win32":
            self._socket.close()  # sockets are not inherited there; the child takes the port
            streams["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            command += ["--socket", str(self._socket.fileno())]
            streams |= {"pass_fds": (self._socket.fileno(),), "start_new_session": True}
        with open_log(self.log_path) as words:
            streams |= {"stdout": words, "stderr": words}
            return subprocess.Popen(command, env=environment, cwd=self.home, **streams)

    def _follow(self, child: subprocess.Popen[bytes]) -> None:
        """Replace a child that ends before ``stop``, at most three times."""
        for restart in range(1, _RESTARTS + 2):
            code = child.wait()
            with self._lock:
                if self._is_stopping:
                    return
                if child.stdin is not None:
                    child.stdin.close()
                # A server that failed before its first answer would fail again.
                if restart > _RESTARTS or (code > 0 and not self._has_answered):
                    self._lose(self._how_it_ended(code, restart - 1))
                    return
                try:
                    child = self._child = self._spawn()
                except OSError as error:
                    self._lose(f"it ended and cannot be started again: {error}")
                    return
            log.warning(
                "Prefect's server %s; started again, %d of %d", _ended(code), restart, _RESTARTS
            )

    def _how_it_ended(self, code: int, restarts: int) -> str:
        if restarts == 0:
            return f"it ended: {self._last_words()}"
        return f"it {_ended(code)} after it had been started again {restarts} times"

    def _lose(self, reason: str) -> None:
        """Give up the server: calls that wait for it, and later ones, raise the reason."""
        self._fault = self._error(reason)
        self._told(self._fault)
        self._socket.close()

    def when_lost(self, tell: Callable[[PrefectServerError], object]) -> None:
        """Call ``tell`` once, from another thread, if the child ends and cannot be replaced."""
        with self._lock:
            self._told = tell
            if self._fault is not None:
                tell(self._fault)

    def wait_ready(self, timeout_seconds: float = READY_SECONDS) -> None:
        """Wait until the server answers.

        Raises:
            PrefectServerError: The server ended, or did not answer in time.
        """
        limit = time.monotonic() + timeout_seconds
        while not self._answers():
            if self._fault is not None:
                raise self._fault
            if time.monotonic() > limit:
                raise self._error(f"no answer within {timeout_seconds:.0f} seconds")
            time.sleep(0.05)
        self._has_answered = True

    def _error(self, reason: str) -> PrefectServerError:
        remedy = f"Read {self.log_path}, then run the same command again."
        return PrefectServerError(address=self.api_url, reason=reason, remedy=remedy)

    def _answers(self) -> bool:
        # Our socket listens before the server runs: a request waits in its queue until then.
        connection = http.client.HTTPConnection(
            self._listening.local_address, self.port, timeout=1.0
        )
        try:
            connection.request("GET", "/api/health")
            with connection.getresponse() as answer:  # it owns the socket once it is to close
                return answer.status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _last_words(self) -> str:
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "without a word"

    def stop(self) -> None:
        """End the child; it answers its current requests first."""
        with self._lock:
            self._is_stopping = True
            child, self._child = self._child, None
            self._socket.close()
        if child is None:
            return
        if child.stdin is not None:
            child.stdin.close()
        try:
            child.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_exception: object) -> None:
        self.stop()
