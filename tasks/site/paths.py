"""Paths in a site file: made absolute and checked while it is read.

Each type reads its folder from pydantic's validation context, ``{"folder": <the site file's>}``.
Paths of this machine are relative to that folder. Paths of the server are too where its platform is
posix; on Windows they stay as they stand. Their sections name ``address`` and ``platform`` first.
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
    except OSError as error:  # a folder that we may not enter, a name too long
        raise ValueError(f"file cannot be reached: {path}: {error.strerror}") from error
    raise ValueError(f"file not found: {path}")


def _without_links(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _on_server(text: str, info: ValidationInfo[Any]) -> str:
    if ntpath.isabs(text) or info.data.get("platform") is not Platform.POSIX:
        return text
    return os.path.abspath(_folder(info) / text)


def _with_entries(values: tuple[Value, ...]) -> tuple[Value, ...]:
    # Not `min_length`: pydantic counts only entries without a fault, and tells one fault twice.
    if not values:
        raise ValueError("expected a list with at least one entry, found none")
    return values


def _program(command: tuple[str, ...], info: ValidationInfo[Any]) -> tuple[str, ...]:
    program = command[0]
    if "/" not in program and "\\" not in program:
        return command  # a bare name is looked up on the server's PATH
    program = _on_server(program, info)
    is_here = info.data.get("address") == LOCAL and Path(program).is_absolute()
    if is_here and not os.path.exists(program):  # noqa: PTH110  pathlib raises where this says no
        raise ValueError(f"program not found: {program}")
    return (program, *command[1:])


LocalPath = Annotated[Path, Field(strict=False), AfterValidator(_absolute)]
"""A file or folder of this machine; it need not be there yet."""

LocalFile = Annotated[LocalPath, AfterValidator(_existing_file)]
"""A file of this machine that has to be there."""

MountPath = Annotated[LocalPath, AfterValidator(_without_links)]
"""A mount point, which may be reached by a link; below it no link is followed."""

ServerPath = Annotated[str, AfterValidator(_on_server)]
"""A folder of the server."""

LocalFiles = Annotated[tuple[LocalFile, ...], Field(strict=False), AfterValidator(_with_entries)]
"""Files of this machine, one at least."""

ServerCommand = Annotated[
    tuple[str, ...],
    Field(strict=False),
    AfterValidator(_with_entries),
    AfterValidator(_program),
]
"""A program of the server with arguments of its own. On this machine it has to be there."""
