"""Both servers over SSH: a real OpenSSH ``sshd`` on loopback for each, in the foreground.

This process listens and starts one ``sshd -i`` per connection. So a fault can cut a single
connection, or change the host key between two connections. No sshd outlives this process.
"""

from __future__ import annotations

import ctypes
import getpass
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from deploy.lab.generate import layout
from deploy.lab.pair import SIDES, LabError, server_folder
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server

_TICK_SECONDS = 0.25
_DROP_AFTER_SECONDS = 2.0
_DROPS = 5
_END_SECONDS = 3.0
# Folders that are not on a plain user's PATH.
_SSHD_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_PR_SET_PDEATHSIG = 1


def serve(
    folder: Path, ready: Callable[[], None] | None, stop: threading.Event | None = None
) -> None:
    """Serve both sides until SIGTERM, SIGINT or ``stop``; see ``deploy.lab.serve``.

    Raises:
        LabError: There is no lab or no sshd, or the port of the first time is taken.
    """
    folder = folder.resolve()
    program = find_sshd()
    ended = stop or threading.Event()
    places: list[_Place] = []
    try:
        for side in SIDES:
            places.append(_Place.make(folder, side, program))  # noqa: PERF401 - one may fail
        _write_known_hosts(folder / "keys", places)
        site_files = [listener.write_site_file() for listener in places]
        # Printed once both listen: a program that waits for the first line may use either side.
        for listener, site_file in zip(places, site_files, strict=True):
            print(f"{listener.side}: {listener.address}, site file {site_file}")
        print("End with Ctrl+C.", flush=True)
        with _ending_on_signals(ended):
            if ready is not None:
                ready()
            _run(places, ended)
    finally:
        for listener in places:
            listener.close()


def _run(places: list[_Place], ended: threading.Event) -> None:
    # This thread starts every child: a child dies with the thread that started it.
    with selectors.DefaultSelector() as selector:
        for side_server in places:
            selector.register(side_server.listener, selectors.EVENT_READ, side_server)
        while not ended.is_set():
            for key, _ in selector.select(_TICK_SECONDS):
                key.data.accept()
            for side_server in places:
                side_server.look_after()


@dataclass(slots=True)
class _Place:
    """One side's listening socket and its connections."""

    folder: Path
    side: str
    program: str
    server: Server
    listener: socket.socket
    connections: dict[subprocess.Popen[bytes], float] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, side: str, program: str) -> _Place:
        """Open a side's server and port; its keys and configuration are made at the first time."""
        server = open_server(server_folder(folder, side))
        keys = folder / "keys"
        for name in ("ssh_client", f"ssh_host_{side}", f"ssh_host_{side}_changed"):
            _make_key(keys / name)
        side_server = cls(folder, side, program, server, _listen(keys / "ssh_ports.json", side))
        side_server._write_configuration("")
        side_server._write_configuration("_changed")
        return side_server

    @property
    def port(self) -> int:
        """The port on loopback."""
        number: int = self.listener.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """The server's address for the site file."""
        return f"ssh://{_user()}@127.0.0.1:{self.port}"

    def _configuration(self, variant: str) -> Path:
        return self.server.server_folder / f"sshd_config{variant}"

    def _write_configuration(self, variant: str) -> None:
        keys = self.folder / "keys"
        self._configuration(variant).write_text(
            f'HostKey "{keys / f"ssh_host_{self.side}{variant}"}"\n'
            f'AuthorizedKeysFile "{keys / "ssh_client.pub"}"\n'
            "PidFile none\nStrictModes no\nUsePAM no\nLogLevel INFO\nMaxSessions 200\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            "PermitRootLogin prohibit-password\nPrintMotd no\nPrintLastLog no\n"
            # At level 1 a bash below an sshd would read ~/.bashrc before every command.
            f"AllowUsers {_user()}\nSubsystem sftp internal-sftp\nSetEnv SHLVL=2\n",
            encoding="utf-8",
        )

    def write_site_file(self) -> Path:
        """Write ``site-ssh.toml``, the site file with this address."""
        extra = 'identity_file = "../keys/ssh_client"\nknown_hosts = "../keys/known_hosts"\n'
        path = self.folder / self.side / "site-ssh.toml"
        text = layout.site_file(self.folder, self.side, self.address, extra)
        part = path.with_name(f"{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)  # a program that waits for the file sees it only complete
        return path

    def accept(self) -> None:
        """Start an sshd for a new connection."""
        with suppress(BlockingIOError, ConnectionAbortedError):
            connection, _ = self.listener.accept()
            variant = "_changed" if self.server.fault("host-key") else ""
            with connection, (self.server.server_folder / "sshd.log").open("ab") as log:
                connection.setblocking(True)  # noqa: FBT003
                process = subprocess.Popen(
                    [self.program, "-i", "-e", "-f", str(self._configuration(variant))],
                    stdin=connection.fileno(),
                    stdout=connection.fileno(),
                    stderr=log,
                    preexec_fn=_die_with_parent,  # noqa: PLW1509 - one thread starts them
                )
            self.connections[process] = time.monotonic()

    def look_after(self) -> None:
        """Forget ended connections, and cut connections as the fault demands."""
        for process in [process for process in self.connections if process.poll() is not None]:
            del self.connections[process]
        drops = self.server.fault("connection-drops")
        if drops is None:
            return
        drops = _DROPS if drops is True else int(drops)
        present = time.monotonic()
        for process, began in self.connections.items():
            if drops > 0 and present - began >= _DROP_AFTER_SECONDS:
                process.kill()
                drops -= 1
        self.server.connection.execute(
            "UPDATE fault SET value = ? WHERE name = 'connection-drops'", (json.dumps(drops),)
        )

    def close(self) -> None:
        """End every connection."""
        self.listener.close()
        for process in self.connections:
            process.terminate()
        deadline = time.monotonic() + _END_SECONDS
        for process in self.connections:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.server.close()


@contextmanager
def _ending_on_signals(ended: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT end the loop; only the main thread may handle signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda *_: ended.set()) for number in signals]
    try:
        yield
    finally:
        for number, former in zip(signals, before, strict=True):
            signal.signal(number, former)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def find_sshd() -> str:
    """Find OpenSSH's server on this machine.

    Raises:
        LabError: There is none, or the machine runs Windows.
    """
    if os.name == "nt":
        raise LabError("the lab is served over SSH on Linux only", "Leave SSH out.")
    program = shutil.which(
        "sshd", path=os.pathsep.join((os.environ.get("PATH", ""), *_SSHD_FOLDERS))
    )
    if program is None:
        raise LabError(
            "the lab is served over SSH by OpenSSH server (sshd), which is not on this machine",
            "Install it (Debian, Ubuntu: `apt install openssh-server`; Fedora: `dnf install "
            "openssh-server`), or leave SSH out.",
        )
    if _is_root():
        # Privilege separation needs this folder, and otherwise only the service unit makes it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return str(Path(program).resolve())


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _user() -> str:
    if sys.platform == "win32":
        return getpass.getuser()
    # USER and LOGNAME may be wrong: sudo and su leave them unchanged.
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _make_key(path: Path) -> None:
    if path.exists():
        return
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    layout.write_secret(
        path,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    path.with_name(f"{path.name}.pub").write_bytes(public + b"\n")


def _listen(remembered: Path, side: str) -> socket.socket:
    """Listen on the port that the side had before, or on a free one.

    The free port is bound at once and stays bound, so that no other program can take it.
    """
    ports: dict[str, int] = json.loads(remembered.read_text()) if remembered.exists() else {}
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", ports.get(side, 0)))
        listener.listen(50)
    except OSError as error:
        listener.close()
        raise LabError(
            f"port {ports.get(side)}, which {side} was given when this lab was first served, is"
            f" taken: is the lab served already? ({error})"
        ) from error
    listener.setblocking(False)  # noqa: FBT003
    if side not in ports:
        remembered.write_text(json.dumps({**ports, side: listener.getsockname()[1]}))
    return listener


def _write_known_hosts(keys: Path, places: list[_Place]) -> None:
    lines = [
        f"[127.0.0.1]:{side_server.port} {(keys / f'ssh_host_{side_server.side}.pub').read_text()}"
        for side_server in places
    ]
    (keys / "known_hosts").write_text("".join(lines))
