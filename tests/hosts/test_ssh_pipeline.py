"""Many SFTP requests in flight: answers in any order, short, refused, and on broken connections."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from functools import partial

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.sftp import CMD_CLOSE, CMD_LSTAT, CMD_OPEN, CMD_READ, CMD_WRITE

from tasks.hosts.ssh_buffers import GarbledPacketError, PacketPipe, Payload
from tasks.hosts.ssh_pipeline import IN_FLIGHT_BYTES, Ended, Job, run_jobs
from tasks.hosts.ssh_sftp import Exchange, Limits, SftpStatusError, lstat, read_whole, write_whole
from tasks.hosts.ssh_transfer import read_file, write_file
from tests.support.sftp_in_memory import SftpInMemory

CONTENTS = st.lists(st.binary(max_size=5_000), max_size=30)
BREAKS = st.lists(st.integers(0, 40), max_size=3)


def _read(path: str, limit_bytes: int, limits: Limits, _is_repeated: object) -> Exchange[bytes]:
    attributes = yield from lstat(path)
    size_bytes = (attributes.st_size or 0) if attributes is not None else 0
    blocks = yield from read_whole(
        path, size_bytes=size_bytes, limit_bytes=limit_bytes, block_bytes=limits.read_bytes
    )
    return b"".join(blocks)


def _write(path: str, content: bytes, limits: Limits, _is_repeated: object) -> Exchange[None]:
    yield from lstat(path)
    yield from write_whole(path, content, block_bytes=limits.write_bytes)


def _reads(server: SftpInMemory, *, limit_bytes: int = 100_000) -> list[Ended[str, bytes]]:
    jobs = [Job(path, partial(_read, path, limit_bytes), 1) for path in server.files]
    return list(run_jobs(server.connection(), jobs))


@given(CONTENTS, st.integers(0, 1_000), st.booleans(), BREAKS)
def test_files_are_read_whole_in_whatever_order_answers_arrive(
    contents: list[bytes], seed: int, short: bool, breaks: list[int]
) -> None:
    server = SftpInMemory(
        {f"/{number}": content for number, content in enumerate(contents)},
        random.Random(seed), short_answers=short, breaks_after=breaks,
    )  # fmt: skip

    ends = _reads(server)

    assert {ended.item: ended.result for ended in ends} == server.files
    assert len(ends) == len(contents)


@given(CONTENTS, st.integers(0, 1_000), BREAKS)
def test_files_are_written_whole_in_whatever_order_answers_arrive(
    contents: list[bytes], seed: int, breaks: list[int]
) -> None:
    server = SftpInMemory(choose=random.Random(seed), breaks_after=breaks)
    wanted = {f"/{number}": content for number, content in enumerate(contents)}
    jobs = [Job(path, partial(_write, path, content)) for path, content in wanted.items()]

    ends = list(run_jobs(server.connection(), jobs))

    assert sorted(ended.item for ended in ends) == sorted(wanted)
    assert not [ended.error for ended in ends if ended.error]
    assert server.files == wanted


@given(st.binary(max_size=60_000), st.integers(0, 999), st.booleans(), BREAKS)
def test_a_large_file_is_read_in_order(
    content: bytes, seed: int, short: bool, breaks: list[int]
) -> None:
    server = SftpInMemory(
        {"/file": content}, random.Random(seed), short_answers=short, breaks_after=breaks
    )
    offset = len(content) * (seed % 11) // 10

    views = read_file(server.connection(), "/file", offset=offset, check=partial(lstat, "/file"))

    assert b"".join(views) == content[offset:]


@given(st.lists(st.binary(max_size=3_000), max_size=30), st.integers(0, 999), BREAKS)
def test_a_large_file_is_written_once_with_all_its_bytes(
    chunks: list[bytes], seed: int, breaks: list[int]
) -> None:
    server = SftpInMemory({"/file": b"older"}, random.Random(seed), breaks_after=breaks)

    size = write_file(server.connection(), "/file", chunks, check=partial(lstat, "/file"))

    assert server.files["/file"] == b"".join(chunks)
    assert size == len(server.files["/file"])


def test_a_file_that_has_grown_or_shrunk_is_read_to_its_end() -> None:
    server = SftpInMemory({"/file": bytes(2_500)})

    def check() -> Exchange[paramiko.SFTPAttributes | None]:
        attributes = yield from lstat("/file")
        server.files["/file"] = b"x" * 4_321
        return attributes

    assert b"".join(read_file(server.connection(), "/file", offset=0, check=check)) == b"x" * 4_321
    server.files["/file"] = bytes(9_000)

    def check_and_cut() -> Exchange[paramiko.SFTPAttributes | None]:
        attributes = yield from lstat("/file")
        server.files["/file"] = b"y" * 1_500
        return attributes

    views = read_file(server.connection(), "/file", offset=0, check=check_and_cut)
    assert b"".join(views) == b"y" * 1_500


def test_of_a_file_beyond_its_limit_one_byte_more_is_read() -> None:
    server = SftpInMemory({"/file": bytes(10_000)})

    (ended,) = _reads(server, limit_bytes=3_000)

    assert ended.result == bytes(3_001)


def test_a_file_that_cannot_be_opened_fails_alone() -> None:
    server = SftpInMemory({f"/{number}": b"bytes" for number in range(20)}, refused={"/7"})

    ends = {ended.item: ended for ended in _reads(server)}

    assert isinstance(ends["/7"].error, SftpStatusError)
    assert [ended.item for ended in ends.values() if ended.error] == ["/7"]


# --- counters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [64, 640])
def test_a_small_file_takes_four_requests_and_many_share_a_round_trip(count: int) -> None:
    server = SftpInMemory({f"/{number}": b"small" for number in range(count)}, in_order=True)
    _reads(server)
    assert Counter(server.requests) == dict.fromkeys(
        (CMD_LSTAT, CMD_OPEN, CMD_READ, CMD_CLOSE), count
    )
    assert server.most_in_flight >= 48
    assert server.waits <= 6 + count // 10  # one after the other: four a file

    writing = SftpInMemory(in_order=True)
    jobs = [Job(path, partial(_write, path, b"small")) for path in server.files]
    list(run_jobs(writing.connection(), jobs))
    assert Counter(writing.requests) == dict.fromkeys(
        (CMD_LSTAT, CMD_OPEN, CMD_WRITE, CMD_CLOSE), count
    )
    assert writing.waits <= 6 + count // 10


def test_a_large_file_is_asked_for_in_advance_and_once() -> None:
    server = SftpInMemory({"/file": bytes(500_000)}, in_order=True)

    list(read_file(server.connection(), "/file", offset=0, check=partial(lstat, "/file")))

    # Blocks of 1,000 bytes, and one request that proves the end.
    assert Counter(server.requests)[CMD_READ] == 501
    assert server.most_in_flight >= 500
    assert server.waits <= 6


def test_jobs_are_taken_only_as_memory_allows() -> None:
    server = SftpInMemory({f"/{number}": b"x" for number in range(40)}, in_order=True)
    begun: list[str] = []

    def jobs() -> Iterator[Job[str, bytes]]:
        for path in server.files:
            begun.append(path)
            yield Job(path, partial(_read, path, 10), IN_FLIGHT_BYTES // 4)

    for ends, _ in enumerate(run_jobs(server.connection(), jobs())):
        assert len(begun) - ends <= 4 + 1 + 1  # in flight, the next one, and the one just yielded
    assert len(begun) == 40


# --- buffers --------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=5, max_size=300)), st.data())
def test_packets_come_out_whole_however_their_bytes_arrive(
    packets: list[bytes], data: st.DataObject
) -> None:
    stream = b"".join(len(packet).to_bytes(4, "big") + packet for packet in packets)
    pipe = PacketPipe()
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20).map(sorted))
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pipe.feed(stream[start:stop])
    pipe.close()

    assert [pipe.take(0.0) for _ in packets] == packets
    with pytest.raises(EOFError):
        pipe.take(0.0)


@pytest.mark.parametrize("size", [0, 4, 16 * 1_048_576, 2**32 - 1])
def test_bytes_that_are_no_packets_end_the_session(size: int) -> None:
    pipe = PacketPipe()
    pipe.feed(size.to_bytes(4, "big") + bytes(100))
    with pytest.raises(GarbledPacketError):
        pipe.take(0.0)


def test_silence_has_a_limit_and_a_slow_line_is_not_silent() -> None:
    pipe = PacketPipe()
    with pytest.raises(TimeoutError):
        pipe.take(0.01)


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_a_payload_is_taken_piece_by_piece(buffers: list[bytes], size: int) -> None:
    payload, taken = Payload(buffers), b""
    while payload.size_bytes:
        taken += b"".join(payload.take(min(size, payload.size_bytes)))
    assert taken == b"".join(buffers)
