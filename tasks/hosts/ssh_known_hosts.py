"""Pinned host keys: the file format of OpenSSH, read strictly.

paramiko's own reader knows one key of a kind per host and passes over ``@revoked``; both matter
to a server whose key was changed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tasks.errors import SiteFileError


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """One key that a file has for a host: its kind, its bytes, and whether it is revoked."""

    kind: str
    blob: bytes
    revoked: bool

    @property
    def fingerprint(self) -> str:
        """As OpenSSH shows it."""
        return fingerprint(self.kind, self.blob)


def fingerprint(kind: str, blob: bytes) -> str:
    """Kind and SHA-256 of a key as OpenSSH shows them: ``ssh-ed25519 SHA256:…``."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return f"{kind} SHA256:{digest}"


def known_hosts_line(name: str, kind: str, blob: bytes) -> str:
    """The line that pins a key."""
    return f"{name} {kind} {base64.b64encode(blob).decode('ascii')}"


def pinned_keys(path: Path, name: str) -> tuple[PinnedKey, ...]:
    """The keys that a known_hosts file has for a name (``host`` or ``[host]:port``).

    A file that is not there pins nothing; lines that are not understood pin nothing either.

    Raises:
        SiteFileError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SiteFileError(path=path, problems=(f"cannot be read: {error.strerror}",)) from error
    found = (_read_line(line, name) for line in text.splitlines())
    return tuple(key for key in found if key is not None)


def _read_line(line: str, name: str) -> PinnedKey | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#") or marker not in ("", "@revoked"):
        return None
    patterns, kind, encoded = words[:3]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return None
    return PinnedKey(kind, blob, revoked=bool(marker)) if _matches(patterns, name) else None


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith("|1|"):
        return _matches_hashed(patterns, name)
    wanted = False
    for pattern in patterns.split(","):
        negated = pattern.startswith("!")
        # Square brackets stand around a host with a port; they are no set of characters here.
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name.lower(), plain.lower()):
            if negated:
                return False
            wanted = True
    return wanted


def _matches_hashed(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
