"""Our PowerShell scripts: byte-stable files that a site can install once and sign.

Each takes ``-InputFile`` and ``-OutputFile`` (JSON Lines, UTF-8 without a byte order mark) and
ends its output with ``{"kind": "end"}``. What each reads and writes stands at its top.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

# What ``Set-AuthenticodeSignature`` appends; all of it are comments (about_Signing).
_SIGNATURE = re.compile(
    rb"\s*# SIG # Begin signature block\r?\n(# [A-Za-z0-9+/=]+\r?\n)+"
    rb"# SIG # End signature block\s*"
)
LARGEST_SIGNATURE_BYTES = 64 * 1_024


@dataclass(frozen=True, slots=True)
class AnswerLimits:
    """The most that is read of a script's answer; a longer answer is refused.

    Attributes:
        size_bytes: Of the whole answer. 200,000 approvals with their updates and as many declines
            take less than half of it.
        line_bytes: Of one line.
        own_lines: Lines whatever was asked.
        lines_each: Further lines for each line of the request.
    """

    size_bytes: int = 512 * 1_048_576
    line_bytes: int = 4 * 1_048_576
    own_lines: int = 100
    lines_each: int = 2

    def most_lines(self, requested: int) -> int:
        """The limit for an answer to a request of so many lines."""
        return self.own_lines + self.lines_each * requested


_OWN_LIMITS = {
    # A line for each event, and for each 32 KiB of the log.
    "read-server": AnswerLimits(size_bytes=16 * 1_048_576, own_lines=2_000),
    # A line for each group, approval, approved update and decline of a server.
    "read-approvals": AnswerLimits(own_lines=700_000),
    # A line for each file of an update, which has licence terms in up to 40 languages.
    "read-license-files": AnswerLimits(lines_each=2_000),
    # Reruns append what they tried again.
    "apply-approvals": AnswerLimits(lines_each=20),
}


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its name (``read-server``), its exact bytes and their SHA-256 (hex)."""

    name: str
    content: bytes
    sha256: str
    limits: AnswerLimits = AnswerLimits()

    @property
    def file_name(self) -> str:
        """The file's name, for example ``read-server.ps1``."""
        return f"{self.name}.ps1"

    def is_installed_as(self, content: bytes) -> bool:
        """Return True if a file is this script, with or without a signature block at its end."""
        if not content.startswith(self.content):
            return False
        rest = content[len(self.content) :]
        return not rest or _SIGNATURE.fullmatch(rest) is not None


def script_names() -> tuple[str, ...]:
    """Return the names of all scripts that ship with the product."""
    scripts = (path.name for path in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".ps1") for name in scripts if name.endswith(".ps1")))


@cache
def load_script(name: str) -> Script:
    """Read a script that ships with the product."""
    content = files(__name__).joinpath(f"{name}.ps1").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    limits = _OWN_LIMITS.get(name, AnswerLimits())
    return Script(name=name, content=content, sha256=digest, limits=limits)
