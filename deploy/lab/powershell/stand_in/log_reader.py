"""The reading of SoftwareDistribution.log as ``read-server.ps1`` does it: blocks from its end."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_NAME = re.compile(r"SoftwareDistribution.*\.(log|old|bak)(\.\w+)?", re.IGNORECASE)
_HEAD = re.compile(r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.MULTILINE)
_TELLING = re.compile(
    r"[ \t](?:Error|Warning)[ \t]+\S+[ \t]+\S+[ \t]+[^\r\n]{0,96}"
    r"|SCHANNEL[^\r\n]{0,80}|Exception[^\r\n]{0,60}|[Ff]ailed[^\r\n]{0,60}|deleted|does not exist"
    r"|Process Start Time"
    r"|EventId=(?!(?:36[136]|38[1249]|1[0-3]\d\d0),)\d{3,5},[^\r\n]{0,60}"
)
_NUMBERS = re.compile(r"[0-9a-fA-F-]{12,}|\d{6,}")
_BLOCK_BYTES = 16_384
_CHUNK_BYTES = 1_048_576
_LIMIT_BYTES = 2_147_483_648
_ENTRY_CHARACTERS = 4_096
_ROOM = 786_432
_MOST_KINDS = 4_000
_PIECE_CHARACTERS = 32_768


@dataclass
class LogAnswer:
    """The entries that mean something, oldest first once the reading has ended."""

    path: Path
    size_bytes: int
    read_bytes: int = 0
    encoding: str = "latin-1"
    is_full: bool = False
    room: int = _ROOM
    kinds: set[str] = field(default_factory=set)
    blocks: list[list[str]] = field(default_factory=list)

    def pieces(self) -> Iterator[str]:
        """The text of the entries in pieces."""
        piece = ""
        for entries in reversed(self.blocks):
            for entry in entries:
                piece += entry + "\n"
                if len(piece) >= _PIECE_CHARACTERS:
                    yield piece
                    piece = ""
        if piece:
            yield piece


def read_logs(folder: Path) -> LogAnswer:
    """Read the logs of a folder, the newest first, back to a start of the service or a limit.

    Raises:
        OSError: There is none, or it cannot be read.
    """
    logs = [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]
    logs.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    if not logs:
        raise FileNotFoundError(f"SoftwareDistribution.log lies in none of: {folder}")
    answer = LogAnswer(logs[0], logs[0].stat().st_size)
    for path in logs:
        with path.open("rb") as log:
            if _read(log, path.stat().st_size, answer):
                break
    return answer


def _read(log: IO[bytes], size_bytes: int, answer: LogAnswer) -> bool:
    """Read one log from its end; gives True at a start of the service or a limit."""
    start = log.read(4_096)
    encoding = "utf-16-le" if 4 * start[1::2].count(0) >= max(len(start), 2) else "latin-1"
    answer.encoding = "utf-16" if encoding == "utf-16-le" else answer.encoding
    carry, end = "", size_bytes
    while end > 0:
        count = min(end, _CHUNK_BYTES)
        end -= count
        log.seek(end)
        chunk = log.read(count)
        for to in range(len(chunk), 0, -_BLOCK_BYTES):
            at = max(0, to - _BLOCK_BYTES)
            text = chunk[at:to].decode(encoding, "replace") + carry
            answer.read_bytes += to - at
            head = _beginning(text) if end + at > 0 else 0
            carry = text[: min(head, _BLOCK_BYTES)]
            if _add_block(text, head, answer) or answer.read_bytes >= _LIMIT_BYTES:
                return True
    return False


def _beginning(text: str) -> int:
    """The first entry that begins in a block; the rest before it belongs to the block before."""
    first = _HEAD.search(text)
    return first.start() if first else len(text)


def _add_block(text: str, head: int, answer: LogAnswer) -> bool:
    """Take the newest entry of each kind of a block; gives True at the last one to read."""
    is_last = False
    entries: list[str] = []
    taken = -1
    for match in reversed(list(_TELLING.finditer(text, head))):
        if match[0].startswith("EventId=501,"):
            is_last = True
        kind = _NUMBERS.sub("", match[0])
        if kind in answer.kinds or len(answer.kinds) >= _MOST_KINDS:
            continue
        answer.kinds.add(kind)
        start = _entry_start(text, match.start(), head)
        if start == taken:
            continue
        taken = start
        following = _HEAD.search(text, match.end())
        end = following.start() if following else len(text)
        entry = text[start : min(end, start + _ENTRY_CHARACTERS)].rstrip()
        answer.room -= _size(entry)
        if answer.room < 0:
            answer.is_full = is_last = True
            break
        entries.append(entry)
    if entries:
        answer.blocks.append(entries[::-1])
    return is_last


def _size(entry: str) -> int:
    """The length of a text in the JSON of Windows PowerShell, which escapes more than it has to."""
    escaped = sum(entry.count(character) for character in "'<>&")
    return len(json.dumps(entry, ensure_ascii=False)) + 5 * escaped


def _entry_start(text: str, index: int, head: int) -> int:
    start = index
    while start > head:
        start = text.rfind("\n", 0, start) + 1
        if start <= head or _HEAD.match(text, start):
            break
        start -= 1
    return max(start, head)
