"""Quantities in words: sizes, counts, durations and times, for errors, log lines and reports."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def size(size_bytes: int) -> str:
    """Format bytes for people, in powers of 1,000 as media makers count: ``23.4 MB``."""
    if abs(size_bytes) < 1_000:
        return f"{size_bytes} bytes" if size_bytes != 1 else "1 byte"
    amount, unit = float(size_bytes), 0
    # From 999.95 on, one decimal would round to 1000.0.
    while abs(amount) >= 999.95 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1_000, unit + 1
    return f"{amount:.1f} {_UNITS[unit]}"


def count(number: int, noun: str = "", plural: str = "") -> str:
    """Format a number with thousands separators, and its noun: ``1,234 files``."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Format seconds for people: ``42 s``, ``3 min 05 s``, ``2 h 07 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3_600} h {whole % 3_600 // 60:02d} min"


def moment(time: datetime) -> str:
    """Format an aware time in UTC to the second, with its zone."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
