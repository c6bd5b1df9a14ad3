"""Type and category of the events of WSUS, as the Application log and the text log show them."""

from __future__ import annotations

from typing import NamedTuple


class EventKind(NamedTuple):
    """``type`` is Information, Warning or Error; ``level`` is the number that Windows gives it."""

    type: str
    category: str

    @property
    def level(self) -> int:
        """``Level`` of a record of ``Get-WinEvent``: 2 error, 3 warning, 4 information."""
        return {"Error": 2, "Warning": 3}.get(self.type, 4)


_ERRORS = {362, 364, 386, 421, 422, 423, 424, 425, 503, 504, 507, 10012, 10022, 10032, 10042}
_ERRORS |= {11002, 12002, 12012, 12022, 12032, 12042, 12052, 12072, 13042}
_WARNINGS = {365, 387, 505, 506, 10021, 10041}
_SYNCHRONISATION = range(360, 392)


def kind_of(event_id: int) -> EventKind:
    """The type and category of an event."""
    category = "Synchronization" if event_id in _SYNCHRONISATION else "None"
    if event_id in _ERRORS:
        return EventKind("Error", category)
    return EventKind("Warning" if event_id in _WARNINGS else "Information", category)
