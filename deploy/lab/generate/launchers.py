"""The executables of a server: small scripts that run the lab's programs with this Python."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

import deploy

# From the name of a program in the server's folder to its module.
_PROGRAMS = {"wsusutil": "deploy.lab.wsusutil", "powershell": "deploy.lab.powershell"}


def write_launchers(side_folder: Path) -> None:
    """Write ``wsusutil`` and ``powershell`` into ``DIR/<side>``, on Windows as ``.cmd``.

    They name the interpreter and this installation by absolute path. They start Python without its
    site packages, because the lab needs none.
    """
    root = Path(deploy.__file__).resolve().parent.parent
    for name, module in _PROGRAMS.items():
        if os.name == "nt":
            path = side_folder / f"{name}.cmd"
            path.write_text(
                f'@echo off\r\nset "PYTHONPATH={root}"\r\n'
                f'"{sys.executable}" -P -S -m {module} "{side_folder}" %*\r\n',
                encoding="utf-8",
            )
            continue
        path = side_folder / name
        interpreter = " ".join(map(shlex.quote, (sys.executable, "-P", "-S", "-m", module)))
        path.write_text(
            f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(root))} PYTHONUTF8=1"
            f' exec {interpreter} {shlex.quote(str(side_folder))} "$@"\n',
            encoding="utf-8",
        )
        path.chmod(0o755)
