"""The embedded Prefect server: it listens on loopback and lives as long as one command.

A command calls ``prefect_for``. That starts the server as a child process, sets this process's
environment, and waits until the server answers. Prefect is imported only after that, so it knows
the embedded server and none of the person's own profiles or variables. Database, results and log
lie in the server's home folder, ``state_dir/prefect``, and the next command uses them again.

The server listens on a free loopback port and refuses foreign origins. It demands a secret that
is new for every server and is given only to our own child and client. No data leave the machine.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from deploy.prefect_server.embedded_child import ENTER_PATH
from deploy.prefect_server.settings import (
    LOOPBACK,
    clean_environment,
    client_settings,
    server_settings,
)
from tasks.errors import HostFileError, PathMissingError, PrefectServerError

log = logging.getLogger("wsus_airgap")

_AUTH_FILE = "WSUS_AIRGAP_PREFECT_AUTH_FILE"
_READY_SECONDS = 180.0
_STOP_SECONDS = 10.0
_RESTARTS = 3
_LOG_BYTES = 5_000_000


@contextlib.contextmanager
def prefect_for(
    state_dir: Path,
    *,
    api_url: str | None = None,
    ui: bool = False,
) -> Iterator[EmbeddedServer | None]:
    """Let this process run flows, on the API of ``api_url`` or on an embedded server.

    Prefect must not be imported before the first call in a process; a caller imports modules that
    need Prefect inside the block. At the end Prefect's pending logs and events are sent before
    the server stops.

    Args:
        state_dir: The parent of ``prefect``, which holds the results, and the database and log of
            an embedded server.
        api_url: The API of a running server; None starts an embedded one. If the API demands a
            secret (``name:password``), the variable WSUS_AIRGAP_PREFECT_AUTH_FILE names a file
            with it.
        ui: Serve the pages too, and run the services that deployments need.

    Yields:
        The embedded server; None when ``api_url`` was given.

    Raises:
        PrefectServerError: The server did not start, or the API does not answer.
        PathMissingError: The file with the API's secret cannot be read.
        HostFileError: The folder of the embedded server cannot be made.
    """
    home = state_dir.absolute() / "prefect"
    with contextlib.ExitStack() as stack:
        server: EmbeddedServer | None = None
        if api_url is None:
            server = stack.enter_context(EmbeddedServer(home, ui=ui))
            api_url, auth_string = server.api_url, server.auth_string
        else:
            auth_string = _read_secret()
        settings = client_settings(home, api_url, auth_string)
        stack.enter_context(_environment(clean_environment(home, os.environ) | settings))
        import prefect  # noqa: F401  takes as long as the server takes to start

        # Prefect has read it, and programs that we start must not see it.
        os.environ.pop("PREFECT_API_AUTH_STRING", None)
        if server is None:
            _require_answer(api_url)
        else:
            server.wait_ready()
        stack.enter_context(_settings_in_force(settings, heartbeat=server is None))
        from tasks import prefect_api  # and Prefect with it

        if server is None:
            stack.enter_context(prefect_api.server_within())
        else:
            stack.enter_context(prefect_api.server_within(_READY_SECONDS))
            server.when_lost(prefect_api.lose_server)
        yield server


@contextlib.contextmanager
def _environment(environment: Mapping[str, str]) -> Iterator[None]:
    """Replace the environment of this process for a while."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _settings_in_force(settings: Mapping[str, str], *, heartbeat: bool) -> Iterator[None]:
    """Apply the settings also if Prefect was imported, and read others, before.

    Args:
        settings: As ``client_settings`` makes them.
        heartbeat: True if runs report to the server that they are alive. An embedded server ends
            with the run, so these reports are useless there, and stopping their thread costs
            each flow a second. No variable can switch them off.
    """
    import prefect.settings as prefect_settings

    names = ("PREFECT_API_AUTH_STRING", *settings)
    updates: dict[Any, Any] = {
        getattr(prefect_settings, name): settings.get(name)
        for name in names
        if hasattr(prefect_settings, name)
    }
    if not heartbeat:
        updates[prefect_settings.PREFECT_FLOWS_HEARTBEAT_FREQUENCY] = None
    with prefect_settings.temporary_settings(updates=updates):
        yield


def _read_secret() -> str | None:
    """The secret of the API that the site file names; None if no variable names its file."""
    file = os.environ.get(_AUTH_FILE)
    if not file:
        return None
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError:
        what = f"the file with the secret of Prefect's API ({_AUTH_FILE})"
        raise PathMissingError(what=what, path=file) from None


def _require_answer(api_url: str) -> None:
    try:
        with urllib.request.urlopen(f"{api_url}/health", timeout=10):  # noqa: S310  http only
            pass
    except OSError as error:
        remedy = "Start that server, or correct prefect.api_url in the site file."
        raise PrefectServerError(address=api_url, reason=str(error), remedy=remedy) from error


def _listen(port: int | None) -> socket.socket:
    """Listen on the port before the child starts, so that no other program can take it.

    On POSIX this process holds the socket until the command ends. While a dead child is being
    replaced, requests wait in the socket's queue, and no other process can listen on the port
    and receive the secret.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port or 0))
        listener.listen(128)
    except OSError as error:
        listener.close()
        remedy = "Choose another port, or end what listens there."
        address = f"{LOOPBACK}:{port}"
        raise PrefectServerError(address=address, reason=str(error), remedy=remedy) from error
    return listener


def _ended(code: int) -> str:
    """A phrase for the end of a child; a negative exit code stands for a signal."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


class EmbeddedServer:
    """A Prefect server as a child of this process.

    ``start`` returns at once and ``wait_ready`` waits, so that imports can run meanwhile. The
    child ends with ``stop``, and also by itself as soon as this process ends in any way.

    Attributes:
        home: Folder of database, results and log; made if it is missing.
        port: The port on loopback.
        auth_string: The secret, ``name:password``; None if authentication is switched off.

    Raises:
        PrefectServerError: The port is taken.
    """

    def __init__(
        self, home: Path, *, ui: bool = False, port: int | None = None, auth: bool = True
    ) -> None:
        self.home = home.absolute()
        self.auth_string = f"wsus-airgap:{secrets.token_urlsafe(32)}" if auth else None
        self._ui = ui
        self._socket = _listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()  # guards the attributes that follow
        self._is_stopping = False
        self._has_answered = False
        self._fault: PrefectServerError | None = None
        self._told: Callable[[PrefectServerError], object] = lambda _fault: None

    @property
    def api_url(self) -> str:
        """The URL of the API, for a client of this server."""
        return f"http://{LOOPBACK}:{self.port}/api"

    @property
    def ui_url(self) -> str:
        """The URL of a page that logs the browser in and shows the runs; it contains the secret."""
        entrance = f"http://{LOOPBACK}:{self.port}{ENTER_PATH}"
        return f"{entrance}#{self.auth_string}" if self.auth_string else entrance

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
        environment = clean_environment(self.home, os.environ)
        environment |= server_settings(self.home, self.port, self.auth_string, ui=self._ui)
        environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
        streams: dict[str, Any] = {"stdin": subprocess.PIPE}
        if sys.platform == "win32":
            self._socket.close()  # sockets are not inherited there; the child takes the port
            streams["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP
        else:
            command += ["--socket", str(self._socket.fileno())]
            streams |= {"pass_fds": (self._socket.fileno(),), "start_new_session": True}
        with self._open_log() as words:
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

    def _open_log(self) -> BinaryIO:
        if self.log_path.exists() and self.log_path.stat().st_size > _LOG_BYTES:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        return self.log_path.open("ab")

    def wait_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
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
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=1.0)
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
