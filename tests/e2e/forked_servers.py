"""Prefect servers that begin at once: each is a fork of a process that has imported Prefect before.

    python -m tests.e2e.forked_servers ADDRESS

``launcher`` writes a program that takes the interpreter's place. It is the process that a command
starts, watches and kills; the server behind it ends with it, and it ends as the server does.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.prefect_server.settings import clean_environment
from tests.support.labs import ROOT

LAUNCHER = "python"  # beside a lab: what its commands start servers with
_MODULE = "deploy.prefect_server.embedded_child"
_LAUNCHER = """#!{python} -IS
import json, os, signal, socket, sys
if {module!r} not in sys.argv or "serve" not in sys.argv:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
words = sys.argv[sys.argv.index({module!r}) + 1:]
given = int(words[words.index("--socket") + 1])
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    asked = json.dumps([words, dict(os.environ), os.getcwd()]).encode()
    socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2, given])
    server.sendall(asked)
    code = int(server.recv(16) or b"1")
if code < 0:
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


@contextmanager
def launcher(home: Path) -> Iterator[Path]:
    """Start the process that is forked; gives the program that takes the interpreter's place."""
    address = home / "forks.socket"
    address.unlink(missing_ok=True)
    program = home / LAUNCHER
    text = _LAUNCHER.format(python=sys.executable, module=_MODULE, address=str(address))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    words = [sys.executable, "-m", "tests.e2e.forked_servers", str(address)]
    environment = clean_environment(home / "forks", os.environ)
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.PIPE):
        while not address.exists():
            time.sleep(0.05)
        yield program


def main(address: str) -> None:
    """Wait for launchers until our own standard input ends; give each a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes of launchers
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(16)
        import uvicorn  # noqa: F401

        import deploy.prefect_server.application  # noqa: F401

        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            with listener.accept()[0] as asking:
                if os.fork() == 0:
                    listener.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    with suppress(OSError):
                        _serve(asking)
                    os._exit(0)


def _serve(asking: socket.socket) -> None:
    """Fork the server, end it with its launcher, and tell how it ended."""
    size, descriptors, _, _ = socket.recv_fds(asking, 4, 4)
    asked = asking.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    server = os.fork()
    if server == 0:
        asking.close()
        _become_server(json.loads(asked), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(server)
    ready, _, _ = select.select([asking.fileno(), ended], [], [])
    if ended not in ready:  # the launcher was killed
        os.kill(server, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(server, 0)[1])
    asking.sendall(str(code).encode())


def _become_server(asked: tuple[list[str], dict[str, str], str], descriptors: list[int]) -> None:
    words, environment, folder = asked
    *streams, listening = descriptors
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    from prefect.context import refresh_global_settings_context

    from deploy.prefect_server import embedded_child

    refresh_global_settings_context()
    words[words.index("--socket") + 1] = str(listening)
    os._exit(embedded_child.main(words))


if __name__ == "__main__":
    main(sys.argv[1])
