"""The rotating share of WsusContent that a scheduled audit reads again.

WsusContent has 256 folders, which all hold about as much. Each is read again before a period has
passed since it was read last, the oldest first, so that rot is found without reading everything at
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

FOLDERS = tuple(f"{number:02X}" for number in range(256))


def due_folders(
    read_at: Mapping[str, datetime], *, period: timedelta, last: datetime | None, now: datetime
) -> tuple[str, ...]:
    """Return the folders to read now, the one that was read longest ago first.

    A folder is due if it would be too old when the next audit comes, which is expected after the
    time that has passed since the last one.

    Args:
        read_at: Times at which the folders were last read, as ``spread`` completes them.
        period: Time within which each folder is read again.
        last: Time of the last rotating audit; None before the first.
        now: The time.
    """
    until_next = timedelta() if last is None else now - last
    due = [(at, folder) for folder, at in read_at.items() if at + period <= now + until_next]
    return tuple(folder for _, folder in sorted(due))


def spread(
    read_at: Mapping[str, datetime], *, period: timedelta, now: datetime
) -> dict[str, datetime]:
    """Give folders that were never read a time within the last period, one after the other."""
    step = period / len(FOLDERS)
    virtual = {folder: now - period + number * step for number, folder in enumerate(FOLDERS)}
    return virtual | {folder: read for folder, read in read_at.items() if folder in virtual}
