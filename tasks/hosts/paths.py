"""Paths on a host: Windows or POSIX, as values that know their own rules."""

from __future__ import annotations

import ntpath
import posixpath
from dataclasses import dataclass
from enum import StrEnum


class Platform(StrEnum):
    """What a host's paths and shells look like."""

    WINDOWS = "windows"
    POSIX = "posix"


@dataclass(frozen=True, slots=True)
class HostPath:
    """An absolute path on a host. Built from text once, then only joined."""

    text: str
    platform: Platform

    def joined(self, *parts: str) -> HostPath:
        """Append parts that are plain names or relative paths of the same platform."""
        return HostPath(self._rules.join(self.text, *parts), self.platform)

    @property
    def parent(self) -> HostPath:
        """The folder that holds this path."""
        return HostPath(self._rules.dirname(self.text), self.platform)

    @property
    def name(self) -> str:
        """The last part."""
        return self._rules.basename(self.text)

    @property
    def sftp(self) -> str:
        """The form that SFTP servers take: ``/C:/dir/file`` on Windows OpenSSH."""
        if self.platform is Platform.POSIX:
            return self.text
        return "/" + self.text.replace("\\", "/").lstrip("/")

    @property
    def _rules(self):  # type: ignore[no-untyped-def]  # a module: posixpath or ntpath
        return ntpath if self.platform is Platform.WINDOWS else posixpath

    def __str__(self) -> str:
        return self.text
