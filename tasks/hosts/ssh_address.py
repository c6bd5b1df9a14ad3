"""Addresses of SSH servers, in the forms of site files and of known_hosts files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from tasks.errors import UsageError

_DEFAULT_PORT = 22

# Those that OpenSSH offers by default and that we can speak.
Cipher = Literal[
    "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes256-ctr", "aes192-ctr", "aes128-ctr"
]
# Processors with AES instructions encrypt with the first several times as fast as with AES-CTR.
CIPHERS: tuple[Cipher, ...] = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """User, host and port of an SSH address."""

    user: str
    host: str
    port: int

    @property
    def known_name(self) -> str:
        """Name of the server in known_hosts files."""
        return self.host if self.port == _DEFAULT_PORT else f"[{self.host}]:{self.port}"

    def __str__(self) -> str:
        return f"{self.user}@{self.known_name}"


def parse_ssh_address(address: str) -> SshTarget:
    """Parse ``ssh://user@host:port``.

    Raises:
        UsageError: The address has another form, or contains a password.
    """
    if re.match(r"ssh://[^@]*:[^@]*@", address):
        # Checked first, because the other messages repeat the address with the password.
        raise UsageError(reason="a server address may not hold a password; use identity_file")
    reason = f"server address {address!r} is neither 'local' nor 'ssh://user@host:port'"
    try:
        parts = urlsplit(address)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise UsageError(reason=reason) from error
    # urlsplit drops line breaks and accepts blanks, so the text itself is searched for them.
    extra = (
        re.search(r"\s", address) or parts.path not in ("", "/") or parts.query or parts.fragment
    )
    if parts.scheme != "ssh" or not parts.username or not parts.hostname or extra:
        raise UsageError(reason=reason)
    if not re.fullmatch(r"[\w.:%-]+", parts.hostname):
        raise UsageError(reason=reason)
    return SshTarget(parts.username, parts.hostname, port)
