"""Both servers over SSH: a real OpenSSH ``sshd`` on loopback for each, in the foreground.

We listen, and start one ``sshd -i`` per connection, so that each can be cut by itself and the host
key can change between two connections, as the faults ask. Nothing of it outlives this process.
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
from deploy.lab.rules.opening import open_server
from deploy.lab.rules.server import Server

_TICK_SECONDS = 0.25
_DROP_AFTER_SECONDS = 2.0
_DROPS = 5
_END_SECONDS = 3.0
# Where a plain user's PATH does not look.
_SSHD_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_PR_SET_PDEATHSIG = 1


def serve(
    folder: Path, ready: Callable[[], None] | None, stop: threading.Event | None = None
) -> None:
    """Serve both sides until SIGTERM, SIGINT or ``stop``; see ``deploy.lab.serve``.

    Raises:
        LabError: No lab, no sshd, or the port that was fixed at the first time is taken.
    """
    folder = folder.resolve()
    program = find_sshd()
    ended = stop or threading.Event()
    places: list[_Place] = []
    try:
        for side in SIDES:
            places.append(_Place.make(folder, side, program))  # noqa: PERF401 - one may fail
        _write_known_hosts(folder / "keys", places)
        site_files = [place.write_site_file() for place in places]
        # Said when both are there: who waits for the first line goes on with either.
        for place, site_file in zip(places, site_files, strict=True):
            print(f"{place.side}: {place.address}, site file {site_file}")
        print("End with Ctrl+C.", flush=True)
        with _ending_on_signals(ended):
            if ready is not None:
                ready()
            _run(places, ended)
    finally:
        for place in places:
            place.close()


def _run(places: list[_Place], ended: threading.Event) -> None:
    # Everything is started from this thread: a child dies with the thread that started it.
    with selectors.DefaultSelector() as selector:
        for place in places:
            selector.register(place.listener, selectors.EVENT_READ, place)
        while not ended.is_set():
            for key, _ in selector.select(_TICK_SECONDS):
                key.data.accept()
            for place in places:
                place.look_after()


@dataclass(slots=True)
class _Place:
    """One side's listener and its connections."""

    folder: Path
    side: str
    program: str
    server: Server
    listener: socket.socket
    connections: dict[subprocess.Popen[bytes], float] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, side: str, program: str) -> _Place:
        """Keys, configuration and port of a side; made at the first time, kept afterwards."""
        server = open_server(server_folder(folder, side))
        keys = folder / "keys"
        for name in ("ssh_client", f"ssh_host_{side}", f"ssh_host_{side}_changed"):
            _make_key(keys / name)
        place = cls(folder, side, program, server, _listen(keys / "ssh_ports.json", side))
        place._write_configuration("")
        place._write_configuration("_changed")
        return place

    @property
    def port(self) -> int:
        """Where it listens."""
        number: int = self.listener.getsockname()[1]
        return number

    @property
    def address(self) -> str:
        """For the site file."""
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
            # Level 2: else bash, run by an sshd, reads ~/.bashrc before every command.
            f"AllowUsers {_user()}\nSubsystem sftp internal-sftp\nSetEnv SHLVL=2\n",
            encoding="utf-8",
        )

    def write_site_file(self) -> Path:
        """``site-ssh.toml``: the site file with this address."""
        extra = 'identity_file = "../keys/ssh_client"\nknown_hosts = "../keys/known_hosts"\n'
        path = self.folder / self.side / "site-ssh.toml"
        text = layout.site_file(self.folder, self.side, self.address, extra)
        part = path.with_name(f"{path.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)  # who waits for the file finds it whole
        return path

    def accept(self) -> None:
        """Give a new connection an sshd of its own."""
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
        """Forget connections that ended, and cut those that the fault means."""
        for process in [held for held in self.connections if held.poll() is not None]:
            del self.connections[process]
        left = self.server.fault("connection-drops")
        if left is None:
            return
        left = _DROPS if left is True else int(left)
        present = time.monotonic()
        for process, began in self.connections.items():
            if left > 0 and present - began >= _DROP_AFTER_SECONDS:
                process.kill()
                left -= 1
        self.server.connection.execute(
            "UPDATE fault SET value = ? WHERE name = 'connection-drops'", (json.dumps(left),)
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
    """Let SIGTERM and SIGINT end the loop, where signals are ours to take."""
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
    """OpenSSH's server on this machine.

    Raises:
        LabError: There is none, or the machine runs Windows.
    """
    if os.name == "nt":
        raise LabError("the lab is served over SSH on Linux only", "Leave SSH out.")
    found = shutil.which("sshd", path=os.pathsep.join((os.environ.get("PATH", ""), *_SSHD_FOLDERS)))
    if found is None:
        raise LabError(
            "the lab is served over SSH by OpenSSH server (sshd), which is not on this machine",
            "Install it (Debian, Ubuntu: `apt install openssh-server`; Fedora: `dnf install "
            "openssh-server`), or leave SSH out.",
        )
    if _is_root():
        # Privilege separation wants it, and only packages' service units make it.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    return str(Path(found).resolve())


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _user() -> str:
    if sys.platform == "win32":
        return getpass.getuser()
    # Not the variables USER and LOGNAME, which sudo and su leave as they were.
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
    """Listen on the port that this side was given when the lab was first served, or on a free one.

    A free one is never let go between finding and using it: another program could take it.
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
        f"[127.0.0.1]:{place.port} {(keys / f'ssh_host_{place.side}.pub').read_text()}"
        for place in places
    ]
    (keys / "known_hosts").write_text("".join(lines))
