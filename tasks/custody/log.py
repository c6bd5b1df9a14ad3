"""Append to the custody log, and prove it.

A line is written to the ledger first, then to the file, then the ledger notes that the file has it.
So after a kill the ledger says whether a line that the file lacks was ever there:

==================  ==========================  ===============================================
ledger              file                        it is
==================  ==========================  ===============================================
line, not written   without it, or a part of    torn by a kill: the next ``record`` completes it
                    it at the end
line, not written   with it                     killed before the note: the next ``record`` notes
line, written       without it                  cut off
fewer lines         more lines                  the ledger was set back, or lines were added
line                another line                changed, moved, or rewritten
==================  ==========================  ===============================================

Whoever holds this side's key, its ledger and the mark on the server can write another log. Whoever
lacks one of them cannot: the key signs each line, the ledger has every line, and the mark on the
server names one of them.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from blake3 import blake3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from tasks.bundle.canonical import canonical_json, canonical_model
from tasks.bundle.keys import SigningKey
from tasks.content.names import Blake3
from tasks.custody.model import (
    CustodyCheck,
    CustodyEntry,
    CustodyEvent,
    CustodyHead,
    CustodyLine,
    signed_bytes,
)
from tasks.hosts.os_errors import file_fault
from tasks.ledger.store import Ledger
from tasks.names import UTC_SECOND

LOG = "custody.jsonl"
_LINE_LIMIT_BYTES = 65_536
_MOST_PROBLEMS = 20


def record(
    ledger: Ledger, state_dir: Path, key: SigningKey, entry: CustodyEntry, *, now: datetime
) -> CustodyLine:
    """Append a line, durably, after completing what a killed writer left.

    Args:
        ledger: This side's ledger.
        state_dir: Folder of the log.
        key: This side's signing key.
        entry: What happened.
        now: The time, aware.

    Raises:
        HostFileError, DiskFullError: The log cannot be written; the ledger has the line.
    """
    with ledger.transaction():
        head = custody_head(ledger)
        line = _signed(entry, head, key, now)
        ledger.connection.execute(
            "INSERT OR IGNORE INTO custody_key VALUES (?, ?)",
            (key.public.fingerprint, key.public.raw.hex()),
        )
        ledger.connection.execute(
            "INSERT INTO custody VALUES (?, ?, 0)",
            (line.number, canonical_model(line).decode()),
        )
    _write_pending(ledger, state_dir / LOG)
    return line


def drop_newer_lines(ledger: Ledger, state_dir: Path) -> None:
    """Cut off lines of a copied log that were written after its ledger was copied.

    In a copy of a state folder the ledger was copied first. A file that differs from the ledger in
    any other way stays as it is, so that ``check_log`` finds it.
    """
    path = state_dir / LOG
    if not path.is_file():
        return
    with ledger.reading(), path.open("r+b") as file:
        for _, line, is_written in _rows(ledger.connection):
            expected = line.encode() + b"\n"
            if is_written and file.read(len(expected)) != expected:
                return
        file.truncate()


def custody_head(ledger: Ledger) -> CustodyHead:
    """Return number and digest of the newest line that the ledger has."""
    with ledger.reading():
        row = ledger.connection.execute(
            "SELECT number, line FROM custody ORDER BY number DESC LIMIT 1"
        ).fetchone()
        return (
            CustodyHead(0, "")
            if row is None
            else CustodyHead(row[0], _digest(bytes(row[1], "utf-8")))
        )


def check_log(
    ledger: Ledger,
    state_dir: Path,
    *,
    marked: CustodyHead | None = None,
    own_key: str | None = None,
) -> CustodyCheck:
    """Prove the log: file, ledger, numbers, digests and signatures agree.

    Lines of an earlier key of this side are bound by the digests in the lines after them. So the
    newest line has to be of the present key: whoever lacks that cannot write another log, even
    with a key of his own in the ledger.

    Args:
        ledger: This side's ledger.
        state_dir: Folder of the log.
        marked: The head that the mark on the server names; None if it names none.
        own_key: Fingerprint of this side's signing key; None: it is not compared.

    Raises:
        HostFileError: The log or the ledger cannot be read.
    """
    with ledger.reading():
        rows = _rows(ledger.connection)
        keys = dict(ledger.connection.execute("SELECT fingerprint, public FROM custody_key"))
    problems: list[str] = []
    is_torn = False
    head = CustodyHead(0, "")
    with _Lines(state_dir / LOG) as file:
        for number, line, is_written in rows:
            expected = line.encode() + b"\n"
            line_there = file.next()
            if line_there != expected:
                is_left = not is_written and file.is_at_end() and expected.startswith(line_there)
                is_torn |= is_left
                if not is_left:
                    problems.append(_difference(number, line_there))
            problems += _faults(line, head, keys)
            head = CustodyHead(number, _digest(line.encode()))
            if marked is not None and marked.count == number and marked.digest != head.digest:
                problems.append(f"the mark on the server names another line {number}")
            if len(problems) > _MOST_PROBLEMS:
                break
        else:
            if file.next():
                problems.append(
                    f"the file has more than the {head.count} lines that the ledger knows: the "
                    "ledger was set back, or lines were added"
                )
    if marked is not None and marked.count > head.count and len(problems) <= _MOST_PROBLEMS:
        problems.append(
            f"the mark on the server names line {marked.count}, and the ledger has {head.count}: "
            "both log and ledger were replaced by older copies"
        )
    problems += [] if problems else _foreign_head(ledger, own_key)
    return CustodyCheck(head.count, tuple(problems), is_torn)


def _foreign_head(ledger: Ledger, own_key: str | None) -> Iterator[str]:
    newest = max(read_lines(ledger), key=lambda line: line.number, default=None)
    if newest is not None and own_key not in {None, newest.key}:
        yield (
            f"line {newest.number}, the newest, is signed by another key than trust.signing_key; "
            "if the key was changed on purpose, run `verify` once, which adds a line by the new one"
        )


def read_lines(ledger: Ledger) -> Iterator[CustodyLine]:
    """Yield the lines that the ledger has, oldest first (trusted after ``check_log``)."""
    with ledger.reading():
        for _, line, _ in _rows(ledger.connection):
            yield CustodyLine.model_validate_json(line)


def newest_lines(ledger: Ledger, most: int) -> tuple[CustodyLine, ...]:
    """Return the newest lines that the ledger has, newest first, to be shown.

    Nothing is proved; what is no line any more is left out, and ``check_log`` finds it.
    """
    lines = []
    with ledger.reading():
        rows = ledger.connection.execute(
            "SELECT line FROM custody ORDER BY number DESC LIMIT ?", (most,)
        ).fetchall()
    for row in rows:
        with suppress(ValidationError):
            lines.append(CustodyLine.model_validate_json(row[0]))
    return tuple(lines)


def lines_of(ledger: Ledger, event: CustodyEvent) -> tuple[CustodyLine, ...]:
    """Return all lines of one event that the ledger has, newest first; nothing is proved."""
    with ledger.reading():
        # No JSON function: one line that is no JSON any more would fail the whole query.
        rows = ledger.connection.execute(
            "SELECT line FROM custody WHERE instr(line, ?) ORDER BY number DESC",
            (f'"event":"{event}"',),
        ).fetchall()
    lines = []
    for row in rows:
        with suppress(ValidationError):
            lines.append(CustodyLine.model_validate_json(row[0]))
    return tuple(line for line in lines if line.event == event)


def _signed(entry: CustodyEntry, head: CustodyHead, key: SigningKey, now: datetime) -> CustodyLine:
    values: dict[str, Any] = {
        **entry.model_dump(mode="json"),
        "number": head.count + 1,
        "previous": head.digest or None,
        "time": now.strftime(UTC_SECOND),
        "key": key.public.fingerprint,
    }
    values["signature"] = key.signer.sign(signed_bytes(values)).signature
    return CustodyLine.model_validate_json(canonical_json(values))


def _write_pending(ledger: Ledger, path: Path) -> None:
    """Write the lines that the file lacks, in their order; several processes may do so at once."""
    with ledger.transaction():
        rows = list(
            ledger.connection.execute(
                "SELECT number, line FROM custody WHERE written = 0 ORDER BY number"
            )
        )
        try:
            _append(path, [line.encode() + b"\n" for _, line in rows])
        except OSError as error:
            raise file_fault("write", path, error) from error
        ledger.connection.execute("UPDATE custody SET written = 1 WHERE written = 0")


def _append(path: Path, lines: list[bytes]) -> None:
    """Append lines, over what a killed writer left of them; anything else at the end stays."""
    content = b"".join(lines)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags, 0o600), "r+b") as stream:
        size = stream.seek(0, os.SEEK_END)
        torn_bytes = _left_over(stream.fileno(), size, content)
        stream.seek(size - torn_bytes)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _left_over(descriptor: int, size: int, content: bytes) -> int:
    """Return the number of bytes at the end of the file with which the content begins."""
    start = max(0, size - len(content))
    os.lseek(descriptor, start, os.SEEK_SET)
    tail = os.read(descriptor, size - start)
    # A line begins behind a line break, or at the beginning of the file.
    for offset in range(len(tail)):
        is_start = start + offset == 0 if offset == 0 else tail[offset - 1 : offset] == b"\n"
        if is_start and content.startswith(tail[offset:]):
            return len(tail) - offset
    return 0


class _Lines:
    """The lines of the log's file; empty bytes behind its end, or if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = path.open("rb") if path.is_file() else None

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def next(self) -> bytes:
        return b"" if self._stream is None else self._stream.readline(_LINE_LIMIT_BYTES)

    def is_at_end(self) -> bool:
        return self._stream is None or not self._stream.peek(1)


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[int, str, bool]]:
    for row in connection.execute("SELECT number, line, written FROM custody ORDER BY number"):
        yield int(row[0]), str(row[1]), bool(row[2])


def _difference(number: int, line_there: bytes) -> str:
    if not line_there:
        return f"line {number} is gone from the file: it was cut off, or the file was replaced"
    return f"line {number} is not the one that was recorded"


def _faults(line: str, head: CustodyHead, keys: dict[str, str]) -> Iterator[str]:
    """Yield what is wrong with a line of the ledger after the line before it."""
    try:
        parsed = CustodyLine.model_validate_json(line)
    except ValidationError:
        yield f"the line after {head.count} in the ledger is no line of a custody log"
        return
    previous = "" if parsed.previous is None else parsed.previous.hex
    if (parsed.number, previous) != (head.count + 1, head.digest):
        yield f"line {parsed.number} in the ledger does not follow line {head.count}"
    if not _is_signed(parsed, keys):
        yield f"line {parsed.number} in the ledger is not signed by this side"


def _is_signed(line: CustodyLine, keys: dict[str, str]) -> bool:
    raw = keys.get(line.key)
    if raw is None:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(raw))
        key.verify(bytes.fromhex(line.signature), signed_bytes(line.model_dump(mode="json")))
    except (InvalidSignature, ValueError):
        return False
    return True


def _digest(line: bytes) -> str:
    return Blake3(blake3(line).digest()).hex
