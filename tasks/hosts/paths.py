"""Paths on a host, Windows or POSIX, as immutable values."""

from __future__ import annotations

import ntpath
import re
from dataclasses import dataclass
from enum import StrEnum


class Platform(StrEnum):
    """Kind of a host's paths and shells."""

    WINDOWS = "windows"
    POSIX = "posix"


@dataclass(frozen=True, slots=True)
class HostPath:
    """An absolute path on a host, made by ``absolute_path`` or joined from another path."""

    text: str
    platform: Platform

    def joined(self, *parts: str) -> HostPath:
        """Append parts that are plain names or relative paths of the same platform."""
        if self.platform is Platform.POSIX:  # posixpath takes ten times as long
            root = "" if self.text == "/" else self.text
            return HostPath("/".join((root, *parts)), self.platform)
        return HostPath(ntpath.join(self.text, *parts), self.platform)

    @property
    def parent(self) -> HostPath:
        """Folder that contains this path."""
        if self.platform is Platform.POSIX:
            return HostPath(self.text.rpartition("/")[0] or "/", self.platform)
        return HostPath(ntpath.dirname(self.text), self.platform)

    @property
    def name(self) -> str:
        """Last part of the path."""
        if self.platform is Platform.POSIX:
            return self.text.rpartition("/")[2]
        return ntpath.basename(self.text)

    @property
    def drive(self) -> str:
        """Drive or share in lower case (``d:``); empty on POSIX."""
        if self.platform is Platform.POSIX:
            return ""
        return ntpath.splitdrive(self.text)[0].lower()

    @property
    def sftp(self) -> str:
        """Path in the form of SFTP servers: ``/C:/dir/file`` on Windows OpenSSH."""
        if self.platform is Platform.POSIX:
            return self.text
        return "/" + self.text.replace("\\", "/").lstrip("/")

    def __str__(self) -> str:
        return self.text


def absolute_path(text: str, platform: Platform) -> HostPath:
    """Make a path of a platform from text that a person or a server wrote.

    Windows paths get back slashes; repeated and trailing separators are dropped. Paths that could
    lead out of their folder (``..``), to a device or to a stream are refused.

    Raises:
        ValueError: The text is not absolute, or contains ``..`` or NUL, or names a Windows device
            or stream.
    """
    if "\0" in text:
        raise ValueError(f"a path cannot hold a NUL character: {text!r}")
    normal = _normal_windows(text) if platform is Platform.WINDOWS else _normal_posix(text)
    return HostPath(normal, platform)


def _normal_posix(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError(f"not an absolute path: {text!r}")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    _refuse_parents(parts, text)
    return "/" + "/".join(parts)


def _normal_windows(text: str) -> str:
    flat = text.replace("/", "\\")
    drive = re.match(r"[A-Za-z]:\\", flat)
    share = re.match(r"\\\\(?![?.]\\)[^\\]+\\[^\\]+(?=\\|$)", flat)
    root = drive or share
    if root is None:
        raise ValueError(f"not an absolute Windows path: {text!r}")
    parts = [part for part in flat[root.end() :].split("\\") if part not in ("", ".")]
    _refuse_parents(parts, text)
    if any(":" in part for part in parts):
        raise ValueError(f"a Windows path cannot name a stream: {text!r}")
    start = root.group() if drive else root.group() + "\\"
    return start + "\\".join(parts)


def _refuse_parents(parts: list[str], text: str) -> None:
    if ".." in parts:
        raise ValueError(f"a path cannot go up with '..': {text!r}")
