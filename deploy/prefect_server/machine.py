"""The home of ``up``: everything that its Prefect server keeps between two starts.

=================  =======================================================================
``machine.toml``   port, bind address, database and public address; written at the first start
``secret``         ``name:password`` of the API; mode 0600
``prefect.db``     the database, unless ``machine.toml`` names another one
``server.log``     what the server says; ``worker.log`` what the worker says
=================  =======================================================================

A site's state folder only names the home that serves the site, in its file ``up-home``. A command
of that site finds the server by it. It sends the secret to a server only after that server has
proved that it knows the secret too, because another program may listen on the port meanwhile.
"""

from __future__ import annotations

import contextlib
import hmac
import http.client
import os
import secrets
import socket
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from deploy.prefect_server.embedded_child import PROOF_PATH, make_proof
from deploy.prefect_server.settings import LOOPBACK, Listening
from tasks.errors import HostFileError, UsageError

MACHINE_FILE = "machine.toml"
SECRET_FILE = "secret"  # noqa: S105  a file's name
_POINTER = "up-home"
_FIRST_PORTS = range(4200, 4300)
_ANSWER_SECONDS = 5.0

_FIRST_FILE = """\
# Prefect's server of `wsus-airgap up`. Read at each start of it.
port = {port}
bind_address = "127.0.0.1"
# Runs of all sites that are carried out at a time; two runs never work on one server.
runs_at_once = 1
# The work pool of the sites of this machine. Machines that share one Prefect server
# (prefect.api_url in their site files) need a pool each: a worker runs only sites that it has.
pool = "wsus-airgap"
# Whoever reaches the server and has the secret can start runs. For any other bind address put a
# proxy with TLS before the server, and name the address that browsers use:
# public_address = "https://prefect.example"
# Left out: prefect.db in this folder. For PostgreSQL (this file may hold the password: mode 0600):
# database_url = "postgresql+asyncpg://wsus:PASSWORD@127.0.0.1/wsus"
"""


class Machine(BaseModel):
    """``machine.toml``.

    Attributes:
        port: The port of the server.
        bind_address: The address that it listens on.
        public_address: Address of a proxy with TLS that stands before the server, as browsers
            name it; needed for any bind address but loopback.
        runs_at_once: Runs of all sites that the worker carries out at a time.
        pool: The work pool in which its worker looks for runs.
        database_url: Address of another database than ``prefect.db``; may hold a password.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    port: Annotated[int, Field(ge=1, le=65_535)]
    bind_address: str = LOOPBACK
    public_address: Annotated[str, Field(pattern=r"^https://[^/]+$")] | None = None
    runs_at_once: Annotated[int, Field(ge=1)] = 1
    pool: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,60}$")] = "wsus-airgap"
    database_url: Annotated[str, Field(pattern=r"^(sqlite|postgresql)\+\w+://")] | None = None

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        if self.bind_address not in {LOOPBACK, "localhost"} and self.public_address is None:
            raise ValueError(
                "bind_address is not loopback: put a proxy with TLS before the server and name "
                'its address, public_address = "https://…"'
            )
        return self


@dataclass(frozen=True, slots=True)
class Home:
    """The home of ``up``, read from disk."""

    folder: Path
    machine: Machine
    secret: str

    @property
    def listening(self) -> Listening:
        """The address at which the server listens, its secret and its database."""
        return Listening(
            **self.machine.model_dump(exclude={"runs_at_once", "pool"}), auth_string=self.secret
        )

    @property
    def address(self) -> str:
        """The server's address for programs of this machine, without the secret."""
        return f"http://{self.listening.local_address}:{self.machine.port}"

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"{self.address}/api"

    def answers(self) -> bool:
        """Ask the server to prove that it knows the secret; False if it does not answer."""
        challenge = secrets.token_hex(32)
        address = (self.listening.local_address, self.machine.port)
        connection = http.client.HTTPConnection(*address, timeout=_ANSWER_SECONDS)
        with contextlib.closing(connection):
            try:
                connection.request("GET", f"{PROOF_PATH}?{challenge}")
                proof = connection.getresponse().read(200)
            except (OSError, http.client.HTTPException):
                return False
        return hmac.compare_digest(proof, make_proof(self.secret, challenge.encode()))


def open_home(folder: Path) -> Home:
    """Read the home; what is missing in it is made.

    Raises:
        UsageError: ``machine.toml`` is wrong, or other accounts can read the secret.
        HostFileError: The folder cannot be made, read or written.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (folder / SECRET_FILE).exists():
            _write_private(folder / SECRET_FILE, f"wsus-airgap:{secrets.token_urlsafe(32)}\n")
        if not (folder / MACHINE_FILE).exists():
            _write_private(folder / MACHINE_FILE, _FIRST_FILE.format(port=_free_port()))
        return read_home(folder)
    except OSError as error:
        raise HostFileError(operation="make", path=folder, reason=str(error)) from None


def read_home(folder: Path) -> Home:
    """Read a home that ``up`` has made.

    Raises:
        UsageError: ``machine.toml`` is wrong, or other accounts can read the secret.
        OSError: A file cannot be read.
    """
    path, secret = folder / MACHINE_FILE, folder / SECRET_FILE
    if sys.platform != "win32" and secret.stat().st_mode & 0o077:
        remedy = f"chmod 600 {secret}"
        raise UsageError(reason=f"{secret} is open to other accounts", remedy=remedy)
    try:
        machine = Machine.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _wrong_file(path, str(error)) from None
    except ValidationError as error:
        raise _wrong_file(path, "; ".join(_sentences(error))) from None
    return Home(folder, machine, secret.read_text(encoding="utf-8").strip())


def note_home(state_dir: Path, folder: Path) -> None:
    """Write into a site's state folder which home serves the site.

    Raises:
        UsageError: The home lies in the state folder.
        HostFileError: The state folder cannot be written.
    """
    if folder.resolve().is_relative_to(state_dir.resolve()):
        raise UsageError(
            reason=f"the home {folder} lies in the state folder {state_dir} of a site",
            remedy="Name another folder with --home.",
        )
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = state_dir / f"{_POINTER}.new"
        beside.write_text(f"{folder}\n", encoding="utf-8")
        beside.replace(state_dir / _POINTER)
    except OSError as error:
        raise HostFileError(operation="write", path=state_dir, reason=str(error)) from None


def find_home(state_dir: Path) -> Path | None:
    """Find the home that serves a site; None if ``up`` never served it."""
    try:
        return Path((state_dir / _POINTER).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None


def find_server(state_dir: Path) -> tuple[Home | None, str | None]:
    """Find the server of the ``up`` that serves a site.

    Returns:
        Its home if the server answers, and a sentence about the server that a command is to use;
        None twice if ``up`` never served the site.
    """
    folder = find_home(state_dir)
    if folder is None:
        return None, None
    try:
        home = read_home(folder)
    except (OSError, UsageError) as error:
        return None, f"Prefect: a server of this command, because of `up` in {folder}: {error}"
    if home.answers():
        return home, f"Prefect: the server of `up` at {home.address}"
    return None, f"Prefect: a server of this command; `up` at {home.address} does not answer"


def _wrong_file(path: Path, reason: str) -> UsageError:
    return UsageError(reason=f"{path}: {reason}", remedy=f"Correct {path}, then start `up` again.")


def _sentences(error: ValidationError) -> list[str]:
    """Make one sentence of each fault; values are left out, because one may hold a password."""
    return [
        f"{'.'.join(map(str, fault['loc']))}{': ' if fault['loc'] else ''}"
        + fault["msg"].removeprefix("Value error, ")
        for fault in error.errors(include_input=False, include_url=False)
    ]


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def _free_port() -> int:
    """Find a port that is free now; ports of outgoing connections lie much higher."""
    for port in _FIRST_PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port
    raise UsageError(
        reason=f"every port from {_FIRST_PORTS.start} to {_FIRST_PORTS.stop - 1} is taken",
        remedy=f"Write a free one into {MACHINE_FILE}.",
    )
