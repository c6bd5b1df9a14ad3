"""The environment variables that scripts for Windows expect, on a machine without them."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.lab.powershell import assembly


def of_windows(side_folder: Path, types: Path) -> dict[str, str]:
    """The environment for a script: this process's own, with the variables of Windows added.

    Args:
        side_folder: ``DIR/<side>``.
        types: The compiled types of the WSUS API.
    """
    environment = dict(os.environ)
    if sys.platform == "win32":
        return environment
    for name, value in _taken_for_granted(side_folder, types).items():
        existing = environment.get(name, value)
        # Windows ignores the case of names, so scripts use any spelling.
        for spelling in (name, name.upper(), name.lower(), name.capitalize()):
            environment.setdefault(spelling, existing)
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
    """Make a folder like ``Program Files``: scripts give ``Add-Type`` the assembly's path there."""
    folder = side_folder / "server" / "Program Files"
    installed = folder / "Update Services"
    _link(installed / "Api" / assembly.ASSEMBLY, types)
    _link(installed / "Tools" / "WsusUtil.exe", side_folder / "wsusutil")
    return folder


def _link(link: Path, target: Path) -> None:
    try:
        if link.is_symlink() and link.readlink() == target:
            return
        link.parent.mkdir(parents=True, exist_ok=True)
        # Another process may do the same now, so make the link under a unique name and rename it.
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.symlink_to(target)
        fresh.replace(link)
    except OSError:
        # Only scripts that name the path fail without the link.
        return
