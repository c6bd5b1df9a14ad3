"""The same contract on three hosts: memory, this machine, and a real sshd on loopback."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tasks.hosts.factory import HostAddress, open_host
from tasks.hosts.host import CommandResult, Host, Json
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.hosts.script_run import ScriptSetup
from tasks.scripts import Script
from tests.support import needs
from tests.support.memory_host import MemoryHost
from tests.support.sshd import Sshd, running_sshd

INTERPRETER = (sys.executable, str(Path(__file__).with_name("interpreter.py")))


def made_up(name: str) -> Script:
    """A script that the tests' own interpreter knows by name."""
    content = f"# {name}\n".encode()
    return Script(name=name, content=content, sha256=hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class World:
    """A host, a folder on it to work in, and how somebody else lays a link there."""

    host: Host
    root: HostPath
    lay_link: Callable[[HostPath, HostPath], None]

    def bytes_of(self, path: HostPath) -> bytes:
        """All of a file."""
        return b"".join(bytes(view) for view in self.host.read(path))


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """One server for all tests; they cut its connections, so they do not run side by side."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def ssh_address(sshd: Sshd) -> HostAddress:
    """How to reach the server, with the tests' own interpreter."""
    return HostAddress(
        address=sshd.address,
        identity_file=sshd.identity_file,
        known_hosts=sshd.known_hosts,
        powershell=INTERPRETER,
    )


@pytest.fixture
def ssh_host(sshd: Sshd) -> Iterator[Host]:
    """A connection of its own to that server."""
    host = open_host(ssh_address(sshd))
    yield host
    host.close()


@pytest.fixture(
    params=["memory", "local", pytest.param("ssh", marks=needs.sshd)],
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """Each of the three in turn."""
    if request.param == "memory":
        memory = MemoryHost(run=_run, run_script=_answer, start_detached=_run_job)
        root = memory.path("/root/work")
        memory.make_folder(root)
        return World(memory, root, lambda path, _target: memory.put_link(path))
    host: Host = LocalHost(ScriptSetup(INTERPRETER))
    if request.param == "ssh":
        host = request.getfixturevalue("ssh_host")
    root = host.path(str(tmp_path / "work"))
    host.make_folder(root)
    return World(host, root, _lay_link)


def _lay_link(path: HostPath, target: HostPath) -> None:
    Path(path.text).symlink_to(target.text)


def _run(command: Sequence[str], stdin: bytes) -> CommandResult:
    return LocalHost().run(command, timeout_seconds=30, stdin=stdin)


def _run_job(command: Sequence[str]) -> CommandResult:
    return _run(command, b"")


def _answer(script: Script, request: list[Json], _folder: HostPath) -> Iterable[Json]:
    lines: list[Json] = list(request)
    return lines if script.name == "no-end" else [*lines, {"kind": "end", "count": len(lines)}]


def wait_for(condition: Callable[[], bool], *, seconds: float = 15.0) -> None:
    """Wait until something holds."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not come to hold in time"
        time.sleep(0.02)


def shell(command: str) -> list[str]:
    """A command for the shell."""
    return ["sh", "-c", command]
