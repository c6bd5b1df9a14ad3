"""Events in the log Application of Windows, written by ``eventcreate.exe``, which each Windows has.

The first event makes the source ``wsus-airgap``, which needs an administrator.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Literal

EventType = Literal["INFORMATION", "WARNING", "ERROR"]
_SOURCE = "wsus-airgap"
_SECONDS = 20.0


def event_command(
    program: Sequence[str], text: str, *, event_type: EventType = "INFORMATION", number: int = 1
) -> list[str]:
    """Return the command that writes one event.

    Args:
        program: ``eventcreate.exe``, or what stands in its place.
        text: What the event says.
        event_type: Its type.
        number: Its id; eventcreate allows 1 to 1000.
    """
    words = ["/L", "APPLICATION", "/T", event_type, "/SO", _SOURCE, "/ID", str(number), "/D", text]
    return [*program, *words]


def write_event(command: Sequence[str]) -> bool:
    """Run the command; False if the event was not written."""
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True
