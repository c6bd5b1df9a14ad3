"""Signs of ``wsusutil reset`` in SoftwareDistribution.log; its work goes on after its program.

The program only asks the service for it and ends at once. The lines are those that Patch My PC's
article on a reset shows (observed): its begin is the event StateMachineReset; at its end the
ContentSyncAgent finds no more jobs, its thread ends, and its health is marked as Not Running. While
files are still to be downloaded the agent goes to sleep instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tasks.checks.software_distribution_log import LogEntry

_BEGIN = "NotificationEvent: StateMachineReset"
_NO_JOBS = "ContentSyncAgent found no more Jobs"
_SLEEPS = "going to Sleep"
_COMPONENT = "Component: ContentSyncAgent"
_STOPPED = "Not Running"


@dataclass(frozen=True, slots=True)
class ResetSigns:
    """The newest reset that a stretch of the log shows.

    Attributes:
        has_begun: True if the log shows its begin.
        sleeps: True if the agent waits for downloads.
        ended: Time at which the agent had done all of it; None before that.
    """

    has_begun: bool = False
    sleeps: bool = False
    ended: datetime | None = None

    @property
    def sentence(self) -> str:
        """The state in words."""
        if self.ended is not None:
            return f"its end is in the log, at {self.ended:%Y-%m-%d %H:%M:%S} UTC"
        if self.sleeps:
            return "it waits for downloads"
        return "its begin is in the log" if self.has_begun else "the log shows nothing of it yet"


def read_reset_signs(entries: Iterable[LogEntry]) -> ResetSigns:
    """Read the entries since wsusutil was started; a later reset replaces an earlier one."""
    has_begun = sleeps = is_idle = False
    ended: datetime | None = None
    for entry in entries:
        text = entry.message
        if _BEGIN in text:
            has_begun, sleeps, is_idle, ended = True, False, False, None
        elif not has_begun or ended is not None:
            continue
        elif _NO_JOBS in text:
            sleeps = _SLEEPS in text
            is_idle = not sleeps
        elif is_idle and _COMPONENT in text and _STOPPED in text:
            ended = entry.time
    return ResetSigns(has_begun, sleeps, ended)
