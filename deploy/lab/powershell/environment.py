"""The variables that scripts for Windows take for granted, where this machine has them not."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.lab.powershell import assembly


def of_windows(side_folder: Path, types: Path) -> dict[str, str]:
    """The environment for a script: this process's own, and what Windows would add to it.

    Args:
        side_folder: ``DIR/<side>``.
        types: The compiled types of the WSUS API.
    """
    environment = dict(os.environ)
    if sys.platform == "win32":
        return environment
    for name, value in _taken_for_granted(side_folder, types).items():
        known = environment.get(name, value)
        # Names know no case on Windows, and scripts write them as they like.
        for spelling in (name, name.upper(), name.lower(), name.capitalize()):
            environment.setdefault(spelling, known)
    return environment


def _taken_for_granted(side_folder: Path, types: Path) -> Mapping[str, str]:
    computer = f"WSUS-{side_folder.name}".upper()
    temporary = tempfile.gettempdir()
    return {
        "ComputerName": os.environ.get("COMPUTERNAME", computer),
        "TEMP": temporary,
        "TMP": temporary,
        "ProgramFiles": str(_program_files(side_folder, types)),
    }


def _program_files(side_folder: Path, types: Path) -> Path:
    """A folder as Windows has it: ``Add-Type`` is often given the path of the API's assembly."""
    folder = side_folder / "server" / "Program Files"
    installed = folder / "Update Services"
    _link(installed / "Api" / assembly.ASSEMBLY, types)
    _link(installed / "Tools" / "WsusUtil.exe", side_folder / "wsusutil")
    return folder


def _link(place: Path, target: Path) -> None:
    try:
        if place.is_symlink() and place.readlink() == target:
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        # Another process may be at it too: a new link under a name of its own, then renamed.
        fresh = place.with_name(f".{place.name}.{os.getpid()}")
        fresh.symlink_to(target)
        fresh.replace(place)
    except OSError:
        # Scripts that name the path fail on it, and all others run.
        return
