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

    They name the interpreter and this installation by absolute path. The server is that of the
    folder in which they lie, so that the programs of a copied or moved lab are its own; where they
    are called by a link, it is that of ``side_folder``. They start Python without its site
    packages, because the lab needs none.
    """
    root = Path(deploy.__file__).resolve().parent.parent
    for name, module in _PROGRAMS.items():
        if os.name == "nt":
            path = side_folder / f"{name}.cmd"
            path.write_text(
                f'@echo off\r\nset "PYTHONPATH={root}"\r\nset "SIDE=%~dp0."\r\n'
                f'if not exist "%SIDE%\\server\\susdb.sqlite" set "SIDE={side_folder}"\r\n'
                f'"{sys.executable}" -P -S -m {module} "%SIDE%" %*\r\n',
                encoding="utf-8",
            )
            continue
        path = side_folder / name
        interpreter = " ".join(map(shlex.quote, (sys.executable, "-P", "-S", "-m", module)))
        path.write_text(
            f'#!/bin/sh\nside=$(CDPATH= cd -- "${{0%/*}}" 2>/dev/null && pwd -P)\n'
            f'[ -f "$side/server/susdb.sqlite" ] || side={shlex.quote(str(side_folder))}\n'
            f"PYTHONPATH={shlex.quote(str(root))} PYTHONUTF8=1"
            f' exec {interpreter} "$side" "$@"\n',
            encoding="utf-8",
        )
        path.chmod(0o755)
