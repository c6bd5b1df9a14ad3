"""A connection that goes silent is reported, made again, and given up when that helps nobody."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import ConnectionLostError, ConnectionStalledError
from tasks.hosts.factory import open_host
from tasks.hosts.host import Host
from tasks.hosts.waiting import Patience
from tests.hosts.conftest import shell, ssh_address
from tests.support import needs
from tests.support.sshd import Sshd
from tests.support.stalling import StallingProxy, stalling

pytestmark = needs.sshd

QUICK = Patience(
    connect_seconds=5.0,
    answer_seconds=1.5,
    report_every_seconds=0.5,
    retry_delays_seconds=(0.05, 0.05, 0.05, 0.05, 0.05),
    steady_seconds=3.0,
)


@contextmanager
def reached_through(
    sshd: Sshd, limit_of: Callable[[int], float], patience: Patience = QUICK
) -> Iterator[tuple[Host, StallingProxy]]:
    """The server behind a proxy."""
    with stalling(sshd.port, limit_of) as proxy:
        known = sshd.folder / f"known_hosts-{proxy.port}"
        known.write_text(sshd.known_hosts.read_text().replace(str(sshd.port), str(proxy.port)))
        address = replace(
            ssh_address(sshd),
            address=sshd.address.replace(str(sshd.port), str(proxy.port)),
            known_hosts=known,
            patience=patience,
        )
        host = open_host(address)
        try:
            yield host, proxy
        finally:
            host.close()


def lines_of(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("limit_bytes", [0, 500, 2_000, 3_000, 4_000, 5_000, 20_000, 100_000])
def test_a_connection_that_stalls_once_is_made_again_wherever_it_stalls(
    sshd: Sshd, tmp_path: Path, caplog: pytest.LogCaptureFixture, limit_bytes: int
) -> None:
    content = b"x" * 1_000_000
    (tmp_path / "file").write_bytes(content)
    with reached_through(sshd, lambda number: limit_bytes if number == 1 else float("inf")) as (
        host,
        _,
    ):
        began = time.monotonic()
        got = b"".join(bytes(view) for view in host.read(host.path(str(tmp_path / "file"))))
        assert time.monotonic() - began < 15
    assert got == content
    if limit_bytes >= 5_000:
        lines = lines_of(caplog)
        assert "still waiting for an answer of" in lines or "a file session of" in lines
        assert "within 1.5 seconds (1 in a row, given up at 3)" in lines
        assert "is lost; connecting again" in lines
        assert "connected to" in lines


def test_uploads_that_stall_with_all_buffers_full_are_begun_again_and_finished(
    sshd: Sshd, tmp_path: Path
) -> None:
    def limit_of(number: int) -> float:
        return 6_000_000 if number == 1 else float("inf")

    content = random.Random(1).randbytes(20_000_000)
    with reached_through(sshd, limit_of) as (host, proxy), ThreadPoolExecutor(6) as pool:
        paths = [host.path(str(tmp_path / f"file-{number}")) for number in range(6)]
        began = time.monotonic()
        list(pool.map(lambda path: host.write(path, [content]), paths))
        assert time.monotonic() - began < 40
        assert proxy.connections == 2
    assert all(Path(path.text).read_bytes() == content for path in paths)


def test_a_connection_that_stalls_again_and_again_is_given_up_and_not_tried_for_long(
    sshd: Sshd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 5_000_000)
    with reached_through(sshd, lambda _: 200_000) as (host, proxy):
        began = time.monotonic()
        with pytest.raises(ConnectionStalledError) as caught:
            list(host.read(host.path(str(tmp_path / "file"))))
        assert time.monotonic() - began < 15
        assert proxy.connections == 3
    assert caught.value.kind == "connection-lost"
    assert not caught.value.retryable
    assert "no answer within 1.5 seconds, 3 times" in caught.value.message
    assert lines_of(caplog).count("in a row, given up at 3") == 3


def test_a_command_that_is_asked_again_survives_a_stall_under_it(
    sshd: Sshd, caplog: pytest.LogCaptureFixture
) -> None:
    limits = iter([9_000.0])
    with reached_through(sshd, lambda _: next(limits, float("inf"))) as (host, proxy):
        # More output than the first connection lets through: its end never comes.
        text = "x" * 50_000
        result = host.run_repeatable(shell(f"sleep 0.3; printf {text}"), timeout_seconds=60)  # type: ignore[attr-defined]
        assert result.stdout == text
        assert proxy.connections == 2
    assert "(1 in a row, given up at 3)" in lines_of(caplog)


def test_a_command_that_may_not_run_twice_ends_when_its_connection_stalls(sshd: Sshd) -> None:
    with reached_through(sshd, lambda _: 9_000) as (host, proxy):
        with pytest.raises(ConnectionLostError, match="whether it did its work is not known"):
            host.run(shell(f"sleep 0.3; printf {'x' * 50_000}"), timeout_seconds=60)
        assert proxy.connections == 1


def test_a_program_that_is_silent_for_long_on_a_sound_connection_is_waited_for(
    sshd: Sshd, caplog: pytest.LogCaptureFixture
) -> None:
    quick = replace(QUICK, answer_seconds=0.3)
    with reached_through(sshd, lambda _: float("inf"), quick) as (host, proxy):
        assert host.run(shell("sleep 2; echo done"), timeout_seconds=60).stdout == "done\n"
        assert proxy.connections == 1
    assert "still waiting for sh, for 0 min 01 s" in lines_of(caplog)


def test_of_a_program_that_writes_without_end_only_the_end_is_kept(ssh_host: Host) -> None:
    result = ssh_host.run(shell("yes | head -c 60000000; echo end"), timeout_seconds=60)
    assert len(result.stdout) < 17_000_000
    assert result.stdout.endswith("y\nend\n")
