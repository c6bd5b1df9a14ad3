"""Our PowerShell scripts: byte-stable files that a site can install once and sign.

Each takes ``-InputFile`` and ``-OutputFile`` (JSON Lines, UTF-8 without a byte order mark) and
ends its output with ``{"kind": "end"}``. What each reads and writes stands at its top.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    """One script: its name (``read-server``), its exact bytes and their SHA-256 (hex)."""

    name: str
    content: bytes
    sha256: str

    @property
    def file_name(self) -> str:
        """The file's name, for example ``read-server.ps1``."""
        return f"{self.name}.ps1"


@cache
def load_script(name: str) -> Script:
    """Read a script that ships with the product."""
    content = files(__name__).joinpath(f"{name}.ps1").read_bytes()
    return Script(name=name, content=content, sha256=hashlib.sha256(content).hexdigest())
