"""The log is read from any stretch of it, in any of its encodings, in constant memory."""

from __future__ import annotations

import codecs
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.checks.log_signs import read_signs
from tasks.checks.software_distribution_log import (
    LINE_CHARACTERS,
    MESSAGE_CHARACTERS,
    LogEntry,
    is_log_name,
    read_log,
    read_rolled_logs,
)
from tests.checks import quoted_lines

ROOT = Path(__file__).resolve().parents[2]
LINES = (
    *quoted_lines.QUIET,
    quoted_lines.STARTED,
    quoted_lines.SOAP_FAULT,
    quoted_lines.DOWNLOAD_FAILED,
    quoted_lines.SUCCEEDED,
)
ENCODINGS = {
    "UTF-8": ("utf-8", b""),
    "UTF-8 with a mark": ("utf-8", codecs.BOM_UTF8),
    "UTF-16": ("utf-16-le", b""),
    "UTF-16 with a mark": ("utf-16-le", codecs.BOM_UTF16_LE),
    "UTF-16, big-endian": ("utf-16-be", codecs.BOM_UTF16_BE),
    "Windows-1252": ("cp1252", b""),
}
# Long enough that an accent late in the log is beyond what the encoding is guessed from.
GERMAN = quoted_lines.QUIET[0].replace("ContentSyncAgent", "Der Name „x“ wurde nicht aufgelöst")


def entries_of(content: bytes, piece_bytes: int = 1 << 16) -> list[LogEntry]:
    view = memoryview(content)  # as hosts give them
    pieces = (view[at : at + piece_bytes] for at in range(0, len(content), piece_bytes))
    return list(read_log(pieces))


def text_of(*lines: str, end: str = "\r\n") -> str:
    return "".join(f"{line}\n" for line in lines).replace("\n", end)


def test_an_entry_has_its_columns_and_its_time_in_utc() -> None:
    (entry,) = entries_of(text_of(quoted_lines.SOAP_FAULT).encode())

    assert entry.time == datetime(2026, 1, 15, 3, 0, 1, 500_000, tzinfo=UTC)
    assert (entry.level, entry.thread) == ("Error", "WsusService.25")
    assert entry.method == "SoapUtilities.LogException"
    assert entry.message.startswith("USS ThrowException: Actor = https://fe2")
    assert entry.message.count("\n   at ") == 3
    assert not entry.is_cut


def test_columns_may_be_apart_by_blanks() -> None:
    (entry,) = entries_of(text_of(quoted_lines.STARTED).encode())

    assert (entry.level, entry.thread) == ("Info", "WsusService.15")
    assert entry.method == "EventLogEventReporter.ReportEvent"
    assert entry.message.startswith("EventId=382,Type=Information")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("piece_bytes", [1, 7, 1 << 16])
def test_every_encoding_gives_the_same_entries(encoding: str, end: str, piece_bytes: int) -> None:
    name, mark = ENCODINGS[encoding]
    text = text_of(*LINES * 9, GERMAN, *LINES, end=end)

    found = entries_of(mark + text.encode(name), piece_bytes)

    assert found == entries_of(text.replace("\r\n", "\n").encode())
    assert len(found) == len(LINES) * 10 + 1
    assert found[len(LINES) * 9].message.endswith("Der Name „x“ wurde nicht aufgelöst")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@given(cut=st.integers(0, 4_000))
def test_a_stretch_that_begins_anywhere_loses_at_most_its_first_entry(
    encoding: str, cut: int
) -> None:
    lines = [text_of(line).encode(encoding) for line in LINES * 6]
    starts = [len(b"".join(lines[:number])) for number in range(len(lines))]
    content = b"".join(lines)
    left = sum(start >= cut for start in starts)

    tail = entries_of(content[cut:])

    assert tail[len(tail) - left :] == entries_of(content)[len(lines) - left :]
    assert [(entry.time, entry.is_cut) for entry in tail[: len(tail) - left]] in (
        [],
        [(None, True)],
    )


@given(content=st.binary(max_size=3_000), piece_bytes=st.integers(1, 400))
def test_any_bytes_are_read(content: bytes, piece_bytes: int) -> None:
    for entry in entries_of(content, piece_bytes):
        assert len(entry.message) <= MESSAGE_CHARACTERS
        entry.message.encode()  # no half of a surrogate pair goes further


@given(
    content=st.lists(
        st.sampled_from(
            [line.encode() for line in LINES]
            + [line.encode("utf-16-le") for line in LINES]
            + [b"\n", b"\r\n", b"\0", b"\xff", b"2026-13-45 99:99:99.9 UTC\tInfo", b" UTC\t" * 9]
        ),
        max_size=30,
    )
)
def test_a_spoilt_log_is_read(content: list[bytes]) -> None:
    assert all(len(entry.message) <= MESSAGE_CHARACTERS for entry in entries_of(b"".join(content)))


@given(st.integers(1, 9_999), st.integers(1, 12), st.integers(1, 31), st.integers(0, 60))
def test_a_time_that_there_is_not_begins_no_entry(
    year: int, month: int, day: int, second: int
) -> None:
    line = f"{year:04d}-{month:02d}-{day:02d} 10:00:{second:02d}.000 UTC\tInfo\tw3wp.1\tA.B\tx"
    (entry,) = entries_of(text_of(line).encode())

    try:
        expected = datetime(year, month, day, 10, 0, second, tzinfo=UTC)
    except ValueError:
        assert (entry.time, entry.message) == (None, line)
    else:
        assert (entry.time, entry.message) == (expected, "x")


def test_a_long_message_and_a_long_line_are_cut_and_say_so() -> None:
    trace = "   at A.B()\n" * 20_000
    line = f"{quoted_lines.HEAD}\tError\tw3wp.1\tA.B\t{'x' * 10 * LINE_CHARACTERS}"
    found = entries_of(text_of(f"{quoted_lines.SOAP_FAULT}\n{trace}", line, LINES[0]).encode())

    assert [entry.is_cut for entry in found] == [True, True, False]
    assert all(len(entry.message) <= MESSAGE_CHARACTERS for entry in found)
    assert found[2].message.startswith("DispatchManager")


def test_nothing_but_nothing_comes_of_an_empty_log() -> None:
    assert entries_of(b"") == []
    assert entries_of(codecs.BOM_UTF16_LE) == []


def test_rolled_over_logs_come_oldest_first_whatever_they_are_called() -> None:
    starts = {"SoftwareDistribution.log": 20, "SoftwareDistribution.log.old": 10}
    starts |= {"softwaredistribution (2).log": 5, "Change.log": 1, "ReportingEvents.log": 1}
    stretches = {name: stretch(day) for name, day in starts.items()}
    stretches["SoftwareDistribution.bak"] = b"no time in it"

    found = read_rolled_logs({name: partial(list, [log]) for name, log in stretches.items()})

    assert [entry.time.day for entry in found if entry.time] == [5, 6, 10, 11, 20, 21]


def stretch(day: int) -> bytes:
    line = "2026-01-{:02d} 03:00:00.000 UTC\tInfo\tWsusService.1\tA.B\tx"
    return text_of("   at the.rest(of a trace)", line.format(day), line.format(day + 1)).encode()


@pytest.mark.parametrize(
    ("name", "is_log"),
    [
        ("SoftwareDistribution.log", True),
        ("SoftwareDistribution.old", True),
        ("SOFTWAREDISTRIBUTION.LOG.1", True),
        ("ReportingEvents.log", False),
        ("Change.log", False),
        ("SoftwareDistribution.log\n", False),
        ("SoftwareDistribution", False),
    ],
)
def test_a_log_is_known_by_its_name(name: str, is_log: bool) -> None:
    assert is_log_name(name) is is_log


_HUGE = """
import resource, sys
sys.path.insert(0, {root!r})
from tasks.checks.log_signs import read_signs
from tasks.checks.software_distribution_log import read_log
from tests.checks.quoted_lines import NO_ALGORITHM, QUIET

quiet = "\\r\\n".join(QUIET * 400).encode() + b"\\r\\n"
def chunks():
    for _ in range(120):
        yield quiet
    yield NO_ALGORITHM.encode() + b"\\r\\n"
    for _ in range(250):
        yield b"   at A.B()\\r\\n" * 10_000
    for _ in range(400):
        yield b"x" * 65_536
    yield b"\\r\\n" + NO_ALGORITHM.encode()

list(read_signs(read_log([quiet, NO_ALGORITHM.encode()])))
used = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
limit = used * 1024 + 24 * 1024 * 1024
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print(*(sign.kind for sign in read_signs(read_log(chunks()))))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory by setrlimit, as Linux has it")
def test_a_log_of_any_size_is_read_in_constant_memory() -> None:
    program = [sys.executable, "-c", _HUGE.format(root=str(ROOT))]
    ended = subprocess.run(program, check=True, capture_output=True, text=True)

    assert ended.stdout.split() == ["no-common-algorithm", "no-common-algorithm"]


# --- logs drawn by a seed ------------------------------------------------------------------------


def drawn_log(seed: int) -> tuple[str, list[str]]:
    """A log with one to four faults among quiet lines, and the faults in their order."""
    draw = random.Random(seed)
    faults = draw.sample(quoted_lines.FAULTS, draw.randint(1, 4))
    lines = list(quiet_lines(draw, draw.randint(0, 30)))
    for fault in faults:
        message = draw.choice((fault.english, fault.german)).format(host=draw.randrange(10**6))
        method = draw.choice(("CatalogSyncAgentCore.Run", "EventLogEventReporter.ReportEvent"))
        thread = f"{draw.choice(('WsusService', 'w3wp'))}.{draw.randint(1, 99)}"
        trace = draw.randint(0, 9) * "\n   at Microsoft.UpdateServices.ServerSync.Agent.Run()"
        lines.append(f"{moment(draw)}\t{fault.level}\t{thread}\t{method}\t{message}{trace}")
        lines += quiet_lines(draw, draw.randint(0, 30))
    return text_of(*lines, end=draw.choice(("\n", "\r\n"))), [fault.id for fault in faults]


def quiet_lines(draw: random.Random, number: int) -> Iterator[str]:
    for _ in range(number):
        yield f"{moment(draw)}{draw.choice(quoted_lines.QUIET)[27:]}"


def moment(draw: random.Random) -> str:
    time = datetime(2019, 1, 1, tzinfo=UTC) + timedelta(seconds=draw.randrange(10**9))
    return f"{time:%Y-%m-%d %H:%M:%S}.{draw.randrange(1000):03d} UTC"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
def test_all_faults_of_a_log_are_found_in_either_language_and_no_others(encoding: str) -> None:
    for seed in range(70):
        text, expected = drawn_log(seed)
        signs = read_signs(read_log([text.encode(encoding)]))
        assert [sign.kind for sign in signs] == expected, seed
