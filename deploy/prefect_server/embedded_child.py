"""The process of the embedded Prefect server, and the template of its database.

    python -m deploy.prefect_server.embedded_child serve --home FOLDER --port N --host NAME…
        [--origin URL] [--socket FD] [--ui]
    python -m deploy.prefect_server.embedded_child make-template

``serve`` takes its settings from the environment that ``deploy.prefect_server.embedded`` made,
and writes nothing to the terminal. It ends with its standard input: the parent holds the other
end of that pipe, and the system closes it however the parent ends, by SIGKILL too. (A
parent-death signal does not help: Linux sends it at the end of the *thread* that started us.)

The template is an empty database with all of Prefect's migrations applied. The migration takes
some fifteen seconds, so it is done once for each version of Prefect, and later databases are
copies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import hmac
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

# The types of the ASGI specification, as far as ``Guard`` needs them.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

DATABASE = "prefect.db"
ENTER_PATH = "/enter"
PROOF_PATH = "/proof"
_SECONDS_TO_STOP = 5
_CHALLENGE_BYTES = 64
_SECRET_VARIABLE = "PREFECT_SERVER_API_AUTH_STRING"  # noqa: S105  its name
_DATABASE_VARIABLE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
_MIGRATE_VARIABLE = "PREFECT_SERVER_DATABASE_MIGRATE_ON_START"
_ADDRESS_VARIABLE = "PREFECT_SERVER_API_HOST"


def main(arguments: list[str]) -> int:
    """Run the server, or make the template."""
    parser = argparse.ArgumentParser(prog="deploy.prefect_server.embedded_child")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("make-template")
    serve = commands.add_parser("serve")
    serve.add_argument("--home", type=Path, required=True)
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--socket", type=int)
    serve.add_argument("--ui", action="store_true")
    serve.add_argument("--host", action="append", required=True)
    serve.add_argument("--origin")
    options = parser.parse_args(arguments)
    if options.command == "make-template":
        return 0 if make_template() else 1
    hosts = [host.encode() for host in options.host]
    origins = [b"http://" + host for host in hosts]
    origins += [options.origin.encode()] if options.origin else []
    _Server(options).run(hosts, origins)
    return 0


# --- the template ------------------------------------------------------------------------------


def database_url(database: Path) -> str:
    """The URL by which Prefect names a SQLite file."""
    return f"sqlite+aiosqlite:///{database.as_posix()}"


def template_path() -> Path | None:
    """The template for the installed Prefect, or None if it is not made yet."""
    name = f"prefect-{version('prefect')}.sqlite"
    return next((folder / name for folder in _folders() if (folder / name).is_file()), None)


def shared_folder() -> Path | None:
    """The first writable folder for files that all servers share, if any."""
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def make_template() -> Path | None:
    """Make the template unless it exists; two processes may do so at once.

    Returns:
        The template; None if no shared folder is writable.
    """
    made = template_path()
    folder = shared_folder()
    if made is not None or folder is None:
        return made
    target = folder / f"prefect-{version('prefect')}.sqlite"
    with tempfile.TemporaryDirectory(prefix=".template-", dir=folder) as scratch:
        migrated, whole = Path(scratch) / DATABASE, Path(scratch) / "whole.sqlite"
        command = [sys.executable, "-P", "-m", "prefect", "server", "database", "upgrade", "-y"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
        environment |= {
            "PREFECT_HOME": scratch,
            "PREFECT_PROFILES_PATH": str(Path(scratch) / "profiles.toml"),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(migrated),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        }
        subprocess.run(
            command, env=environment, cwd=scratch, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        # One file without a journal beside it, so that a plain copy is a whole database.
        with contextlib.closing(sqlite3.connect(migrated)) as connection:
            connection.execute("VACUUM INTO ?", (str(whole),))
        whole.replace(target)
    return target


def _folders() -> Iterator[Path]:
    yield Path(sys.prefix) / "share" / "wsus-airgap"
    if os.name == "nt":
        cache = os.environ.get("LOCALAPPDATA")
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    if cache:
        yield Path(cache).expanduser() / "wsus-airgap"


def lay_out_database(database: Path) -> bool:
    """Copy the template to the path of the server's database, unless the database exists.

    Returns:
        True if all of the installed Prefect's migrations are applied to the database; else Prefect
        applies them at its start, or sees that it has none to apply, which takes longer.
    """
    template = template_path() if database.exists() else make_template()
    if template is None:
        return False
    if not database.exists():
        _copy_template(template, database)
    applied = _last_migration(database)
    return applied is not None and applied == _last_migration(template)


def _copy_template(template: Path, database: Path) -> None:
    copy = database.with_name(f"{database.name}.{os.getpid()}")
    shutil.copyfile(template, copy)
    try:
        # A rename would replace the database of a server that was faster; a link fails.
        with contextlib.suppress(FileExistsError):
            os.link(copy, database)
    except OSError:  # a file system without links
        if not database.exists():
            copy.replace(database)
    copy.unlink(missing_ok=True)


def _last_migration(database: Path) -> str | None:
    """Read which migration was applied last; None if nothing tells."""
    try:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return None if row is None else str(row[0])


# --- the server ----------------------------------------------------------------------------------


class _Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self._home: Path = options.home
        self._port: int = options.port
        self._ui: bool = options.ui
        self._descriptor: int | None = options.socket
        self._stop: Callable[[], None] = lambda: os._exit(0)

    def run(self, hosts: list[bytes], origins: list[bytes]) -> None:
        """Serve until the parent closes our standard input."""
        threading.Thread(target=self._wait_for_parent, daemon=True).start()
        database = self._home / DATABASE
        if os.environ.get(_DATABASE_VARIABLE) == database_url(database):
            is_current = lay_out_database(database)
            os.environ[_MIGRATE_VARIABLE] = "false" if is_current else "true"
        gc.set_threshold(50_000, 20, 20)  # with the default Prefect's import takes a fifth longer
        # Imported only now: importing Prefect takes seconds, and nothing else here needs it.
        import uvicorn

        from deploy.prefect_server.application import make_application

        configuration = uvicorn.Config(
            Guard(make_application(self._home, ui=self._ui), hosts, origins),
            host=os.environ.get(_ADDRESS_VARIABLE, "127.0.0.1"),
            port=self._port,
            access_log=False,
            log_level="warning",
            timeout_graceful_shutdown=2,
        )
        server = uvicorn.Server(configuration)

        def stop() -> None:
            server.should_exit = True
            time.sleep(_SECONDS_TO_STOP)
            os._exit(0)  # an endless request must not delay the end

        self._stop = stop
        descriptor = self._descriptor
        sockets = None if descriptor is None else [socket.socket(fileno=descriptor)]
        if os.environ.get(_MIGRATE_VARIABLE) == "false":
            lay_out_database(database)  # it may have been set aside while Prefect was imported
        asyncio.run(server.serve(sockets=sockets))
        gc.freeze()  # else the interpreter looks for garbage for a second before it ends

    def _wait_for_parent(self) -> NoReturn:
        with contextlib.suppress(OSError, ValueError):
            while os.read(sys.stdin.fileno(), 1024):
                pass
        self._stop()
        os._exit(0)


def make_proof(secret: str, challenge: bytes) -> bytes:
    """Prove knowledge of the secret, for one challenge (64 hex digits of the asker's choice)."""
    message = b"wsus-airgap " + challenge[:_CHALLENGE_BYTES]
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()


class Guard:
    """An ASGI layer that refuses requests of foreign pages, and serves two pages of its own.

    One page logs a browser in; the other proves to our commands that this server knows the secret.

    A page of another site in a browser on this machine can send requests to loopback too. Such
    a request shows the foreign page in its header ``Origin``; a foreign name that was pointed at
    127.0.0.1 shows in ``Host``. Both are refused here, before authentication, for plain requests
    and websockets alike.
    """

    def __init__(self, application: Application, hosts: list[bytes], origins: list[bytes]) -> None:
        self._application = application
        self._hosts = set(hosts)
        self._origins = set(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse or pass on one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._application(scope, receive, send)
        elif not self._is_ours(scope):
            await _refuse(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == ENTER_PATH:
            await _answer(send, 200, _ENTRANCE, b"text/html; charset=utf-8")
        elif scope["type"] == "http" and scope["path"] == PROOF_PATH:
            proof = make_proof(os.environ.get(_SECRET_VARIABLE, ""), scope["query_string"])
            await _answer(send, 200, proof, b"text/plain")
        else:
            await self._application(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value for name, value in headers if name == b"host"]
        origins = [value for name, value in headers if name == b"origin"]
        return set(hosts) <= self._hosts and set(origins) <= self._origins and len(hosts) == 1


# The part of a URL after # is never sent to a server. The secret reaches only the browser's own
# storage, where Prefect's page looks for the password.
_ENTRANCE = b"""<!doctype html><title>wsus-airgap</title><script>
localStorage.setItem("prefect-password", btoa(decodeURIComponent(location.hash.slice(1))));
location.replace("/runs");
</script>"""


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _answer(send, 403, b'{"detail": "foreign origin refused"}', b"application/json")


async def _answer(send: Send, status: int, body: bytes, kind: bytes) -> None:
    headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
