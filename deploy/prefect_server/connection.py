"""The connection of this process to Prefect's server.

A command calls ``prefect_for``. That starts an embedded server or takes a running one, sets this
process's environment, and waits until the server answers. Prefect is imported only after that, so
it knows that server and none of the person's own profiles or variables.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.prefect_server.embedded import READY_SECONDS, EmbeddedServer
from deploy.prefect_server.machine import Home
from deploy.prefect_server.old_runs import set_old_runs_aside
from deploy.prefect_server.settings import clean_environment, client_settings
from tasks.errors import HostFileError, PathMissingError, PrefectServerError

_AUTH_FILE = "WSUS_AIRGAP_PREFECT_AUTH_FILE"


@contextlib.contextmanager
def prefect_for(
    state_dir: Path,
    *,
    api_url: str | None = None,
    up: Home | None = None,
    ui: bool = False,
    runs_days: int | None = None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[EmbeddedServer | None]:
    """Let this process run flows, on a running server or on an embedded one.

    Prefect must not be imported before the first call in a process; a caller imports modules that
    need Prefect inside the block, or by ``meanwhile``. At the end Prefect's pending logs and events
    are sent before the server stops.

    Args:
        state_dir: The parent of ``prefect``, which holds the results, and the database and log of
            an embedded server.
        api_url: The API of a running server; None starts an embedded one. If the API demands a
            secret (``name:password``), the variable WSUS_AIRGAP_PREFECT_AUTH_FILE names a file
            with it.
        up: The home of a running ``up``, whose server is used if ``api_url`` is None.
        ui: Serve the pages too, and run the services that deployments need.
        runs_days: Age at which the database of an embedded server is set aside; None: never.
        meanwhile: Imports what needs Prefect, while the server starts.

    Yields:
        The embedded server; None when another one is used.

    Raises:
        PrefectServerError: The server did not start, or the API does not answer.
        PathMissingError: The file with the API's secret cannot be read.
        HostFileError: The folder of the embedded server cannot be made.
    """
    home = state_dir.absolute() / "prefect"
    with contextlib.ExitStack() as stack:
        server: EmbeddedServer | None = None
        if api_url is not None:
            auth_string = read_secret()
        elif up is not None:
            api_url, auth_string = up.api_url, up.secret
        else:
            if runs_days is not None:
                set_old_runs_aside(home, days=runs_days, now=datetime.now(UTC))
            server = stack.enter_context(EmbeddedServer(home, ui=ui))
            api_url, auth_string = server.api_url, server.auth_string
        stack.enter_context(calling(home, api_url, auth_string, server=server, meanwhile=meanwhile))
        yield server


@contextlib.contextmanager
def calling(
    home: Path,
    api_url: str,
    auth_string: str | None,
    *,
    server: EmbeddedServer | None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[None]:
    """Let this process call an API, with results below ``home``.

    Args:
        home: Folder of the results.
        api_url: The API.
        auth_string: Its secret; None if it demands none.
        server: The server, if this process has started it; it need not answer yet.
        meanwhile: Imports what needs Prefect, while the server starts.

    Raises:
        PrefectServerError: The API does not answer.
        HostFileError: The folder cannot be made.
    """
    _make_folder(home)  # Prefect makes it without its parents, and would say that it cannot
    with contextlib.ExitStack() as stack:
        settings = client_settings(home, api_url, auth_string)
        stack.enter_context(_environment(clean_environment(home, os.environ) | settings))
        import prefect  # noqa: F401  takes as long as the server takes to start

        # Prefect has read it, and programs that we start must not see it.
        os.environ.pop("PREFECT_API_AUTH_STRING", None)
        stack.enter_context(_settings_in_force(settings))
        _import_late_modules()
        from tasks import prefect_api

        meanwhile()
        if server is None:
            _require_answer(api_url)
            stack.enter_context(prefect_api.server_within())
        else:
            server.wait_ready()
            stack.enter_context(prefect_api.server_within(READY_SECONDS))
            server.when_lost(prefect_api.lose_server)
        yield


def _import_late_modules() -> None:
    """Import, while a server starts, what Prefect otherwise imports when a flow begins."""
    for name in ("fastapi.encoders", "prefect.task_engine", "prefect.utilities.visualization"):
        importlib.import_module(name)


def _make_folder(home: Path) -> None:
    try:
        for folder in (home.parent, home):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HostFileError(operation="make", path=home, reason=str(error)) from None


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
def _settings_in_force(settings: Mapping[str, str]) -> Iterator[None]:
    """Apply settings, as ``client_settings`` makes them, also if Prefect was imported before."""
    import prefect.settings as prefect_settings

    names = ("PREFECT_API_AUTH_STRING", *settings)
    updates: dict[Any, Any] = {
        getattr(prefect_settings, name): settings.get(name)
        for name in names
        if hasattr(prefect_settings, name)
    }
    with prefect_settings.temporary_settings(updates=updates):
        yield


def read_secret() -> str | None:
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
