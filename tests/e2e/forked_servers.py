"""Prefect servers that begin at once: each is a fork of a process that has imported Prefect."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn  # noqa: F401  a server needs it, and a fork has it

import deploy.prefect_server.application  # noqa: F401
from deploy.prefect_server import embedded_child
from tests.support.forks import forks, write_client

LAUNCHER = "python"  # beside a lab: what its commands start servers with
_CHOOSE = """
if {module!r} not in sys.argv or "serve" not in sys.argv:
    os.execv({python!r}, [{python!r}, *sys.argv[1:]])
words = sys.argv[sys.argv.index({module!r}) + 1:]
passed = [int(words[words.index("--socket") + 1])]
"""


@contextmanager
def launcher(home: Path) -> Iterator[Path]:
    """Start the process that is forked; gives the program that takes the interpreter's place."""
    program = home / LAUNCHER
    with forks(home, f"{__name__}:become_server") as address:
        choose = _CHOOSE.format(python=sys.executable, module=embedded_child.__name__)
        write_client(program, address, choose)
        yield program


def become_server(words: list[str], descriptors: list[int]) -> int:
    """Serve on the socket that the command has opened."""
    from prefect.context import refresh_global_settings_context

    refresh_global_settings_context()
    (listening,) = descriptors
    words[words.index("--socket") + 1] = str(listening)
    return embedded_child.main(words)
