"""Looking at names over SFTP before they are used, so that no link is followed.

SFTP cannot open a file without following a link, so names are checked before: the name itself
every time, its parent folder every 30 seconds. In folders that only administrators can write to,
nobody can use the time between check and use.
"""

from __future__ import annotations

import stat
import time

import paramiko

from tasks.errors import HostFileError
from tasks.hosts.paths import HostPath, Platform
from tasks.hosts.ssh_sftp import Exchange, lstat
from tasks.refusals import FolderUnsafeError

_LOOK_AGAIN_SECONDS = 30.0
_MOST_REMEMBERED = 4_096


class FolderGuard:
    """Looks at paths and their folders. For many threads."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._checked_at: dict[str, float] = {}
        self._guarded: set[str] = set()

    def guard(self, folder: HostPath) -> None:
        """From now on check every folder between this folder and any path used below it."""
        self._guarded.add(folder.text)

    def look(self, path: HostPath) -> Exchange[paramiko.SFTPAttributes | None]:
        """Return the attributes of a path; None if nothing is there.

        Raises:
            FolderUnsafeError: The path or its parent folder is a link.
        """
        attributes = yield from self.look_at_link(path)
        if attributes is not None and is_link(attributes):
            raise _link_error(path)
        return attributes

    def look_at_link(self, path: HostPath) -> Exchange[paramiko.SFTPAttributes | None]:
        """Return the attributes of a path, which may be a link; None if nothing is there."""
        yield from self.look_at_folders(path)
        return (yield from lstat(path.sftp))

    def look_at_folders(self, path: HostPath) -> Exchange[None]:
        """Prove that the parent of a path is no link, unless that was proved just now."""
        for folder in self._chain(path.parent):
            now = time.monotonic()
            checked_at = self._checked_at.get(folder.text, -_LOOK_AGAIN_SECONDS)
            if now - checked_at < _LOOK_AGAIN_SECONDS:
                continue
            attributes = yield from lstat(folder.sftp)
            if attributes is not None and is_link(attributes):
                raise _link_error(folder)
            if attributes is not None:
                if len(self._checked_at) >= _MOST_REMEMBERED:
                    self._checked_at.clear()
                self._checked_at[folder.text] = now

    def look_at_file(self, path: HostPath) -> Exchange[paramiko.SFTPAttributes | None]:
        """Return the attributes of a path that may be opened: a plain file, or nothing yet.

        Opening a pipe would wait for ever, and a link would be followed.
        """
        attributes = yield from self.look(path)
        if attributes is not None and not stat.S_ISREG(attributes.st_mode or stat.S_IFREG):
            raise HostFileError(operation="open", path=path, reason="it is not a plain file")
        return attributes

    def _chain(self, folder: HostPath) -> list[HostPath]:
        separator = "\\" if self._platform is Platform.WINDOWS else "/"
        chain = [folder]
        roots = [root for root in self._guarded if folder.text.startswith(root + separator)]
        while roots and chain[-1].text not in roots:
            chain.append(chain[-1].parent)
        return chain[::-1]


def is_link(attributes: paramiko.SFTPAttributes) -> bool:
    """Return True if a name stands for another path."""
    return stat.S_ISLNK(attributes.st_mode or 0)


def _link_error(path: HostPath) -> FolderUnsafeError:
    return FolderUnsafeError(path=path, reason="it is a link, which we do not follow")
