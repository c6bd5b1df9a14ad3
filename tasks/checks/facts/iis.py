"""The site of WSUS in IIS, and the permissions of its content folder."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import AwareDatetime

from tasks.checks.facts.topic import Topic
from tasks.names import Count


class Right(Topic):
    """One entry of a folder's permissions: SID, bits of ``FileSystemRights``, Allow or Deny."""

    sid: str
    rights: int
    is_allowed: bool


class Recycling(Topic):
    """One recycling of the pool for its memory, as the Windows Process Activation Service logs it.

    Attributes:
        event_id: 5117 for private memory, 5077 for virtual memory.
    """

    event_id: int
    time: AwareDatetime


class Iis(Topic):
    """The site of WSUS. What IIS does not tell is None, or missing in a mapping.

    Attributes:
        content_path: Physical path of the virtual directory Content.
        ssl_flags: ``sslFlags`` by virtual directory or application, for example ``Ssl, Ssl128``.
        anonymous: True if Content lets clients in without a name.
        mime_types: Extensions that the server gives a type, lower case, with the point.
        pool_state: State of WsusPool in Windows' word, for example Started.
        pool_private_memory_kb: Private memory that WsusPool may use before it is recycled, in KB
            of 1,024 bytes; 0: no limit.
        pool_recyclings: The newest recyclings of WsusPool for its memory, newest first.
        content_rights: Permissions of WsusContent; None if they cannot be read.
    """

    content_path: str | None = None
    ssl_flags: Mapping[str, str] = {}
    anonymous: bool | None = None
    mime_types: tuple[str, ...] | None = None
    pool_state: str | None = None
    pool_private_memory_kb: Count | None = None
    pool_recyclings: tuple[Recycling, ...] | None = None
    content_rights: tuple[Right, ...] | None = None

    def requires_ssl(self, directory: str) -> bool | None:
        """True if a directory may be asked over HTTPS alone; None if IIS does not tell."""
        flags = self.ssl_flags.get(directory)
        if flags is None:
            return None
        words = {word.strip().casefold() for word in flags.split(",")}
        return "ssl" in words or (flags.strip().isdigit() and bool(int(flags) & 8))
