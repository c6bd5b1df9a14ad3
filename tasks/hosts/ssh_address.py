"""Addresses of SSH servers, as a site file writes them and as known_hosts files name them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tasks.errors import UsageError

_DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class SshTarget:
    """An SSH address taken apart."""

    user: str
    host: str
    port: int

    @property
    def known_name(self) -> str:
        """The name under which known_hosts files have it."""
        return self.host if self.port == _DEFAULT_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.known_name}"


def parse_ssh_address(address: str) -> SshTarget:
    """Take ``ssh://user@host:port`` apart.

    Raises:
        UsageError: It is not of that form. A password in it is refused as well.
    """
    if re.match(r"ssh://[^@]*:[^@]*@", address):
        # Before all else, so that no other sentence repeats it.
        raise UsageError(reason="a server address may not hold a password; use identity_file")
    reason = f"server address {address!r} is neither 'local' nor 'ssh://user@host:port'"
    try:
        parts = urlsplit(address)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise UsageError(reason=reason) from error
    # urlsplit drops line breaks and takes blanks, so that they are looked for in the text itself.
    extra = (
        re.search(r"\s", address) or parts.path not in ("", "/") or parts.query or parts.fragment
    )
    if parts.scheme != "ssh" or not parts.username or not parts.hostname or extra:
        raise UsageError(reason=reason)
    if not re.fullmatch(r"[\w.:%-]+", parts.hostname):
        raise UsageError(reason=reason)
    return SshTarget(parts.username, parts.hostname, port)
