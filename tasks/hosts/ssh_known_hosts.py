"""Pinned host keys: a strict reader for the known_hosts files of OpenSSH.

paramiko's own reader allows one key of a kind per host, and ignores ``@revoked``. For a server
whose key was changed both matter.
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
    """One key of a host in a known_hosts file."""

    kind: str
    blob: bytes
    revoked: bool

    @property
    def fingerprint(self) -> str:
        """Kind and SHA-256 of the key in the form of OpenSSH."""
        return fingerprint(self.kind, self.blob)


def fingerprint(kind: str, blob: bytes) -> str:
    """Return kind and SHA-256 of a key in the form of OpenSSH: ``ssh-ed25519 SHA256:…``."""
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return f"{kind} SHA256:{digest}"


def known_hosts_line(name: str, kind: str, blob: bytes) -> str:
    """Return the line of a known_hosts file that pins a key."""
    return f"{name} {kind} {base64.b64encode(blob).decode('ascii')}"


def pinned_keys(path: Path, name: str) -> tuple[PinnedKey, ...]:
    """Return the keys of a name (``host`` or ``[host]:port``) in a known_hosts file.

    A missing file has no keys; lines in an unknown form are skipped.

    Raises:
        SiteFileError: The file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise SiteFileError(path=path, problems=(f"cannot be read: {error.strerror}",)) from error
    keys = (_read_line(line, name) for line in text.splitlines())
    return tuple(key for key in keys if key is not None)


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
    has_match = False
    for pattern in patterns.split(","):
        negated = pattern.startswith("!")
        # Square brackets enclose a host with a port; escape them, as fnmatch reads them as a set.
        plain = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name.lower(), plain.lower()):
            if negated:
                return False
            has_match = True
    return has_match


def _matches_hashed(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
