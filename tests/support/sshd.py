"""A real OpenSSH server on loopback, with keys of its own; as root and as a plain user."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.support import needs

_START_SECONDS = 15.0


class Sshd:
    """One server in one folder. Whoever holds ``identity_file`` may log in as this user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.user = getpass.getuser()
        self.identity_file = folder / "id_ed25519"
        self.known_hosts = folder / "known_hosts"
        self.subsystem = "internal-sftp"
        self.environment = {"SHLVL": "2"}
        self._host_key = folder / "host_key"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        _make_key(self.identity_file)
        shutil.copy(f"{self.identity_file}.pub", folder / "authorized_keys")
        self.new_host_key()
        self.pin()

    @property
    def address(self) -> str:
        """As a site file has it."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def host_key_line(self) -> str:
        """The line of known_hosts that pins the key which the server has now."""
        kind, blob, *_ = Path(f"{self._host_key}.pub").read_text(encoding="ascii").split()
        return f"[127.0.0.1]:{self.port} {kind} {blob}"

    def pin(self) -> None:
        """Pin the server's present key."""
        self.known_hosts.write_text(self.host_key_line + "\n", encoding="ascii")

    def new_host_key(self) -> None:
        """Give the server another key; it shows it after the next start."""
        for path in (self._host_key, Path(f"{self._host_key}.pub")):
            path.unlink(missing_ok=True)
        _make_key(self._host_key)

    def start(self) -> None:
        """Start it and wait until it answers."""
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd insists on it as root
        config = self.folder / "sshd_config"
        config.write_text(self._config(), encoding="utf-8")
        log = (self.folder / "sshd.log").open("ab")
        command = [str(needs.path("sshd")), "-D", "-e", "-f", str(config)]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        log.close()
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > limit:
                said = (self.folder / "sshd.log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"sshd did not start: {said}")
            time.sleep(0.02)

    def _config(self) -> str:
        environment = " ".join(f"{name}={value}" for name, value in self.environment.items())
        # SHLVL: bash reads ~/.bashrc under sshd unless it believes itself in another shell; what
        # a person has in there is no business of the tests, and may take its time.
        return (
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self._host_key}\n"
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}\nPidFile none\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n"
            "MaxStartups 100\nUseDNS no\nLogLevel ERROR\n"
            f"SetEnv {environment}\nSubsystem sftp {self.subsystem}\n"
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            return False

    def sessions(self) -> list[psutil.Process]:
        """The server's processes for connections; programs that these started are not among."""
        if self._process is None:
            return []
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self._process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name().startswith("sshd"):
                        found.append(process)
        return found

    def drop_connections(self) -> int:
        """Cut all connections, as a broken line does; returns how many processes that took."""
        found = self.sessions()
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return len(found)

    def stop(self) -> None:
        """End the server and its connections."""
        if self._process is not None:
            self.drop_connections()
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """A server that runs for as long as the block does."""
    server = Sshd(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _make_key(path: Path) -> None:
    command = [str(needs.find("ssh-keygen")), "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
