"""Programs that begin at once: each is a fork of a process that has imported what they need.

    python -m tests.support.forks ADDRESS MODULE:FUNCTION

``write_client`` writes a program that takes another's place. It is the process that is started,
watched and killed; the fork behind it ends with it, and it ends as the fork does.
"""

from __future__ import annotations

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.prefect_server.settings import clean_environment

ROOT = Path(__file__).resolve().parents[2]
Become = Callable[[list[str], list[int]], int]
"""Becomes the program, in a process of its own: words, further descriptors, exit code."""

_MOST_DESCRIPTORS = 4
# ``words`` and ``passed`` are what the fork gets; without ``words`` the program itself runs.
_CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
passed = []
{choose}
client = socket.socket(socket.AF_UNIX)
client.connect({address!r})
asked = json.dumps([words, dict(os.environ), os.getcwd()]).encode()
socket.send_fds(client, [len(asked).to_bytes(4, "big")], [0, 1, 2, *passed])
client.sendall(asked)
code = int(client.recv(16) or b"1")
if code < 0:
    os.kill(os.getpid(), -code)
os._exit(code)
"""


@contextmanager
def forks(home: Path, become: str) -> Iterator[Path]:
    """Start the process that is forked; gives its address.

    Args:
        home: Gets the socket, whose path has to be short.
        become: Module and name of a ``Become``; the module imports what the programs need.
    """
    address = home / "forks.socket"
    address.unlink(missing_ok=True)
    words = [sys.executable, "-m", "tests.support.forks", str(address), become]
    environment = clean_environment(home / "forks", os.environ)
    with subprocess.Popen(words, cwd=ROOT, env=environment, stdin=subprocess.PIPE):
        while not address.exists():
            time.sleep(0.05)
        yield address


def write_client(program: Path, address: Path, choose: str) -> None:
    """Write the program that takes another's place.

    Args:
        program: Where it is written.
        address: Of the process that is forked.
        choose: Python lines that set ``words`` and ``passed`` from ``sys.argv``, or run the program
            itself in place of a fork.
    """
    text = _CLIENT.format(python=sys.executable, choose=choose, address=str(address))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)


def main(address: str, become: str) -> None:
    """Wait for clients until our own standard input ends; give each a process of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes of clients
    module, _, name = become.partition(":")
    function: Become = getattr(importlib.import_module(module), name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            with listener.accept()[0] as asking:
                if os.fork() == 0:
                    listener.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    with suppress(OSError):
                        _serve(asking, function)
                    os._exit(0)


def _serve(asking: socket.socket, become: Become) -> None:
    """Fork the program, end it with its client, and tell how it ended."""
    size, descriptors, _, _ = socket.recv_fds(asking, 4, _MOST_DESCRIPTORS)
    asked = asking.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL)
    program = os.fork()
    if program == 0:
        asking.close()
        _run(become, json.loads(asked), descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([asking.fileno(), ended], [], [])
    if ended not in ready:  # the client was killed
        os.kill(program, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    asking.sendall(str(code).encode())


def _run(
    become: Become, asked: tuple[list[str], dict[str, str], str], descriptors: list[int]
) -> None:
    words, environment, folder = asked
    for number in range(3):
        os.dup2(descriptors[number], number)
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        code = become(words, descriptors[3:])
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
