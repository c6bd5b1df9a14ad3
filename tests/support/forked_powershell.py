"""PowerShell of a lab's server, answered by the stand-in, that begins at once.

A crossing runs some thirty scripts, and Python needs longer to start than the stand-in to answer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.lab.powershell import launcher, stand_in
from tests.support.forks import forks, write_client

# Anything but the stand-in runs as the lab has written it.
_CHOOSE = """
if os.environ.get({choice!r}) != {stand_in!r} or not os.path.exists({address!r}):
    os.execv({program!r}, [{program!r}, *sys.argv[1:]])
words = [{side_folder!r}, *sys.argv[1:]]
"""


@contextmanager
def forked_powershell(home: Path) -> Iterator[Path]:
    """Start the process that is forked; gives its address."""
    with forks(home, f"{__name__}:become_powershell") as address:
        yield address


def use_forks(side_folder: Path, address: Path) -> None:
    """Put a client in the place of a side's PowerShell."""
    program = side_folder / "powershell"
    original = program.rename(side_folder / "powershell-as-made")
    choose = _CHOOSE.format(
        choice=launcher.CHOICE,
        stand_in=launcher.STAND_IN,
        address=str(address),
        program=str(original),
        side_folder=str(side_folder),
    )
    write_client(program, address, choose)


def become_powershell(words: list[str], _: list[int]) -> int:
    """Answer as the lab's launcher does."""
    sys.argv[1:] = words
    return stand_in.main(Path(words[0]), words[1:])
