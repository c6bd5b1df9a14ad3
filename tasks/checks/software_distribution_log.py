r"""SoftwareDistribution.log as entries, streamed in constant memory.

The log lies in ``<TargetDir>\LogFiles``. A line is ``yyyy-MM-dd HH:mm:ss.fff UTC``, level,
``process.thread``, ``Class.Method`` and the message, with tabs between; lines without a time
(stack traces, messages of several lines) continue the entry before. Above a size that WSUS is told
(LogRolloverFileSizeInBytes) it starts anew and keeps the old file beside; by which name is not
documented, so ``is_log_name`` is generous and ``read_rolled_logs`` goes by the times inside.

The bytes are foreign: nothing in them is an error, and none of them decides how much is kept.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice

MESSAGE_CHARACTERS = 16_384
LINE_CHARACTERS = 32_768

_BLOCK_BYTES = 65_536
_HEAD_BYTES = 4_096
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_TIME = re.compile(
    r"[\W_]*(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:[.,:](\d{1,6})\d*)? UTC\s+", re.ASCII
)
_ESCAPED = re.compile("[\udc80-\udcff]")
_LOG_NAME = re.compile(r"softwaredistribution.*\.(?:log|old|bak)(?:\.\w+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of the log, its continuation lines joined to it.

    Attributes:
        time: UTC; None for the rest of an entry whose beginning was cut off.
        level: ``Error``, ``Warning``, ``Change``, ``Info`` or ``Verbose``; foreign text.
        thread: Process and thread, like ``WsusService.25``; foreign text.
        method: Class and method that wrote it; foreign text.
        message: The message, lines apart; foreign text of at most ``MESSAGE_CHARACTERS``.
        is_cut: Whether the message was longer, or its beginning is missing.
    """

    time: datetime | None
    level: str
    thread: str
    method: str
    message: str
    is_cut: bool = False


def read_log(chunks: Iterable[bytes | memoryview]) -> Iterator[LogEntry]:
    """Entries of one log, or of any stretch of one.

    Args:
        chunks: Its bytes in order, in pieces of any size. They may begin anywhere in a line, even
            within a character of UTF-16. UTF-8 and UTF-16 with and without a byte order mark are
            told apart by the first 4 KiB; bytes that are not UTF-8 are read as Windows-1252.

    Yields:
        Entries as soon as the next one begins. Memory does not grow with the log.
    """
    builder: _Builder | None = None
    for line in _lines(_texts(chunks)):
        started = _start(line)
        if started is None and builder is not None:
            builder.add(line)
            continue
        if builder is not None:
            yield builder.entry()
        builder = started or _Builder(LogEntry(None, "", "", "", "", is_cut=True), line)
    if builder is not None:
        yield builder.entry()


def is_log_name(name: str) -> bool:
    """Tell the log, and those that were rolled over, from other files by name."""
    return _LOG_NAME.fullmatch(name) is not None


def read_rolled_logs(
    logs: Mapping[str, Callable[[], Iterable[bytes | memoryview]]],
) -> Iterator[LogEntry]:
    """Entries of the log and of those that were rolled over, the oldest file first.

    Args:
        logs: Opens each file anew, by its name; names of other files are left out. Each is opened
            twice: for the first time in it, then for its entries.
    """
    starts = ((_first_time(opened()), name) for name, opened in logs.items() if is_log_name(name))
    begun = sorted((time, name) for time, name in starts if time is not None)
    return chain.from_iterable(read_log(logs[name]()) for _, name in begun)


def _first_time(chunks: Iterable[bytes | memoryview]) -> datetime | None:
    """The first time in a log; a stack trace at its beginning is skipped, other files are not."""
    first_entries = islice(read_log(chunks), 2)
    return next((entry.time for entry in first_entries if entry.time is not None), None)


class _Builder:
    """An entry as it grows, its message bounded."""

    def __init__(self, head: LogEntry, message: str) -> None:
        self._head = head
        self._parts = [message[:MESSAGE_CHARACTERS]]
        self._room = MESSAGE_CHARACTERS - len(message)

    def add(self, line: str) -> None:
        """Add a continuation line as far as there is room."""
        if self._room > 1:
            self._parts.append(line[: self._room - 1])
        self._room -= len(line) + 1

    def entry(self) -> LogEntry:
        """The entry as it is now."""
        head = self._head
        return LogEntry(
            time=head.time,
            level=head.level,
            thread=head.thread,
            method=head.method,
            message="\n".join(self._parts).rstrip(),
            is_cut=head.is_cut or self._room < 0,
        )


def _start(line: str) -> _Builder | None:
    """An entry that this line begins."""
    # Most lines of a log full of stack traces end here, without the pattern.
    if " UTC" not in line[:48] or (match := _TIME.match(line)) is None:
        return None
    date, clock, fraction = match.groups(default="0")
    try:
        time = datetime.fromisoformat(f"{date}T{clock}.{fraction.ljust(6, '0')}+00:00")
    except ValueError:  # the thirteenth month
        return None
    rest = line[match.end() :]
    fields = rest.split("\t", 3) if rest.count("\t") >= 2 else rest.split(None, 3)
    level, thread, method, message = (*fields, "", "", "", "")[:4]
    return _Builder(LogEntry(time, level, thread, method, ""), message)


def _lines(texts: Iterable[str]) -> Iterator[str]:
    """Lines of a text, each at most ``LINE_CHARACTERS``; the rest of a longer one is dropped."""
    pending = ""
    for text in texts:
        *whole, rest = text.split("\n")
        for line in whole:
            yield _legible((pending + line[:LINE_CHARACTERS])[:LINE_CHARACTERS])
            pending = ""
        pending = (pending + rest[:LINE_CHARACTERS])[:LINE_CHARACTERS]
    if pending:
        yield _legible(pending)


def _legible(line: str) -> str:
    """A line without its end; bytes that were not UTF-8 as Windows-1252."""
    if not line.isascii() and _ESCAPED.search(line):
        line = line.encode("utf-8", "surrogateescape").decode("cp1252", "replace")
    return line.rstrip("\r\0")


def _texts(chunks: Iterable[bytes | memoryview]) -> Iterator[str]:
    """Bytes as text, in blocks; what cannot be decoded is replaced, or escaped for ``_legible``."""
    blocks = (
        chunk[start : start + _BLOCK_BYTES]
        for chunk in chunks
        for start in range(0, len(chunk), _BLOCK_BYTES)
    )
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD_BYTES:
            break
    encoding, skipped_bytes = _encoding_of(head[:_HEAD_BYTES])
    errors = "surrogateescape" if encoding == "utf-8" else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    yield decoder.decode(head[skipped_bytes:])
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding by a log's first bytes, and how many of them come before its text."""
    for byte_order_mark, encoding in _MARKS:
        if head.startswith(byte_order_mark):
            return encoding, len(byte_order_mark)
    zeros = (head[::2].count(0), head[1::2].count(0))
    if 4 * max(zeros) <= len(head) or 4 * min(zeros) > max(zeros):
        return "utf-8", 0
    # Windows writes little-endian. Zeros first: the stretch begins within a character.
    return "utf-16-le", 1 if zeros[0] > zeros[1] else 0
