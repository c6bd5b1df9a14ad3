"""Types for the paths in a site file; validation makes them absolute and checks them.

Pydantic's validation context must be ``{"folder": <folder of the site file>}``. Relative paths of
this machine start at that folder, and so do paths of the server if its ``platform`` is ``posix``.
Paths of a Windows server stay unchanged.

A section with paths of the server must have its fields ``address`` and ``platform`` before them.
"""

from __future__ import annotations

import ntpath
import os
import stat
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationInfo

from tasks.hosts.factory import LOCAL
from tasks.hosts.paths import Platform
from tasks.hosts.ssh_address import Cipher

Value = TypeVar("Value")


def _folder(info: ValidationInfo[Any]) -> Path:
    folder: Path = info.context["folder"]
    return folder


def _absolute(path: Path, info: ValidationInfo[Any]) -> Path:
    if "\0" in str(path):
        raise ValueError("a path has no NUL")
    try:
        return Path(os.path.abspath(_folder(info) / path.expanduser()))
    except RuntimeError as error:
        raise ValueError(f"no home folder is known for {path.parts[0]!r}") from error


def _existing_file(path: Path) -> Path:
    try:
        if stat.S_ISREG(path.stat().st_mode):
            return path
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:  # for example a folder without permission, or a name too long
        raise ValueError(f"file cannot be reached: {path}: {error.strerror}") from error
    raise ValueError(f"file not found: {path}")


def _for_this_account(path: Path) -> Path:
    # On Windows the file inherits the permissions of its folder.
    if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ValueError(f"{path} is open to other accounts; chmod 600 {path}")
    return path


def _without_links(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _on_server(text: str, info: ValidationInfo[Any]) -> str:
    if ntpath.isabs(text) or info.data.get("platform") is not Platform.POSIX:
        return text
    return os.path.abspath(_folder(info) / text)


def _with_entries(values: tuple[Value, ...]) -> tuple[Value, ...]:
    # Not `min_length`: pydantic counts only entries without a fault, so it would report a fault
    # in the only entry twice.
    if not values:
        raise ValueError("expected a list with at least one entry, found none")
    return values


def _program(command: tuple[str, ...], info: ValidationInfo[Any]) -> tuple[str, ...]:
    program = command[0]
    if "/" not in program and "\\" not in program:
        return command  # the server finds a bare name on its PATH
    program = _on_server(program, info)
    is_local = info.data.get("address") == LOCAL and Path(program).is_absolute()
    # os.path.exists returns False for paths for which pathlib raises an error.
    if is_local and not os.path.exists(program):  # noqa: PTH110
        raise ValueError(f"program not found: {program}")
    return (program, *command[1:])


LocalPath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
"""A file or folder of this machine, which need not exist yet."""

LocalFile = Annotated[LocalPath, AfterValidator(_existing_file)]
"""A file of this machine, which must exist."""

PrivateFile = Annotated[LocalFile, AfterValidator(_for_this_account)]
"""A file of this machine, which must exist and be readable by this account only."""

MountPath = Annotated[LocalPath, AfterValidator(_without_links)]
"""A mount point with links in its path resolved; below it no link is followed."""

ServerPath = Annotated[str, AfterValidator(_on_server)]
"""A folder of the server."""

LocalFiles = Annotated[tuple[LocalFile, ...], Field(strict=False), AfterValidator(_with_entries)]
"""At least one file of this machine; all must exist."""

ServerCommand = Annotated[
    tuple[str, ...],
    Field(strict=False),
    AfterValidator(_with_entries),
    AfterValidator(_program),
]
"""A program of the server with its first arguments. On this machine it must exist."""

Ciphers = Annotated[tuple[Cipher, ...], Field(strict=False), AfterValidator(_with_entries)]
"""At least one cipher for SSH."""
