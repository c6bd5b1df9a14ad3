"""The custody log: whatever is changed is found, and what a kill left is completed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.bundle.keys import SigningKey, generate_keys, load_signing_key
from tasks.custody import CustodyEntry, CustodyHead, check_log, custody_head, record
from tasks.custody.log import LOG, drop_newer_lines
from tasks.ledger.store import Ledger
from tests.support.bundles import NOW


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return load_signing_key(generate_keys(tmp_path / "keys").signing_key)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def ledger(state: Path, key: SigningKey) -> Iterator[Ledger]:
    """A ledger with a log of three lines."""
    with Ledger(state) as opened:
        for number in (1, 2, 3):
            add(opened, state, key, f"alpha-{number}")
        yield opened


def add(ledger: Ledger, state: Path, key: SigningKey, bundle: str) -> None:
    entry = CustodyEntry(event="sealed", who="me", machine="here", version="1", bundle=bundle)
    record(ledger, state, key, entry, now=NOW)


def lines(state: Path) -> list[bytes]:
    return (state / LOG).read_bytes().splitlines(keepends=True)


def problems(ledger: Ledger, state: Path, mark: CustodyHead | None = None) -> tuple[str, ...]:
    return check_log(ledger, state, marked=mark).problems


def test_a_log_that_nobody_touched_is_whole(ledger: Ledger, state: Path) -> None:
    check = check_log(ledger, state, marked=custody_head(ledger))

    assert (check.lines, check.problems, check.torn) == (3, (), False)


def _change(all_lines: list[bytes]) -> list[bytes]:
    return [all_lines[0], all_lines[1].replace(b"alpha-2", b"alpha-9"), all_lines[2]]


@pytest.mark.parametrize(
    ("rewrite", "sentence"),
    [
        pytest.param(_change, "line 2 is not the one", id="changed"),
        pytest.param(lambda all_lines: all_lines[:1] + all_lines[2:], "line 2", id="removed"),
        pytest.param(lambda all_lines: all_lines[::-1], "line 1 is not the one", id="moved"),
        pytest.param(lambda all_lines: all_lines[:2], "line 3 is gone", id="last line cut off"),
        pytest.param(lambda all_lines: [*all_lines[:2], all_lines[2][:50]], "line 3", id="cut"),
        pytest.param(lambda _: [], "line 1 is gone", id="emptied"),
        pytest.param(lambda all_lines: [*all_lines, all_lines[2]], "more than the 3", id="added"),
    ],
)
def test_a_file_that_was_rewritten_is_found(
    ledger: Ledger,
    state: Path,
    rewrite: Callable[[list[bytes]], list[bytes]],
    sentence: str,
) -> None:
    (state / LOG).write_bytes(b"".join(rewrite(lines(state))))

    found = problems(ledger, state)

    assert found
    assert sentence in found[0]


def test_a_file_that_was_deleted_is_found(ledger: Ledger, state: Path) -> None:
    (state / LOG).unlink()

    assert "line 1 is gone" in problems(ledger, state)[0]


def test_a_log_that_another_key_rewrote_in_file_and_ledger_is_found(
    ledger: Ledger, state: Path, tmp_path: Path
) -> None:
    stranger = load_signing_key(generate_keys(tmp_path / "strange").signing_key)
    with Ledger(tmp_path / "other") as other:
        for number in (1, 2, 3):
            add(other, tmp_path / "other", stranger, f"alpha-{number}")
        forged = other.connection.execute("SELECT number, line, written FROM custody").fetchall()
    ledger.connection.execute("DELETE FROM custody")
    ledger.connection.executemany("INSERT INTO custody VALUES (?, ?, ?)", map(tuple, forged))
    shutil.copy(tmp_path / "other" / LOG, state / LOG)

    assert "is not signed by this side" in problems(ledger, state)[0]

    keys = [(stranger.public.fingerprint, stranger.public.raw.hex())]
    ledger.connection.executemany("INSERT INTO custody_key VALUES (?, ?)", keys)
    (newest,) = check_log(ledger, state, own_key="0" * 64).problems
    assert "line 3, the newest, is signed by another key" in newest
    assert check_log(ledger, state, own_key=stranger.public.fingerprint).problems == ()


def test_log_and_ledger_of_an_older_day_are_found_by_the_mark_on_the_server(
    ledger: Ledger, state: Path
) -> None:
    head = custody_head(ledger)
    ledger.connection.execute("DELETE FROM custody WHERE number = 3")
    (state / LOG).write_bytes(b"".join(lines(state)[:2]))

    assert problems(ledger, state) == ()
    assert "older copies" in problems(ledger, state, head)[0]


@pytest.mark.parametrize("kept_bytes", [0, 1, 60])
def test_a_line_that_a_kill_tore_is_completed_and_is_no_tampering(
    ledger: Ledger, state: Path, key: SigningKey, kept_bytes: int
) -> None:
    whole = lines(state)
    ledger.connection.execute("UPDATE custody SET written = 0 WHERE number = 3")
    (state / LOG).write_bytes(b"".join(whole[:2]) + whole[2][:kept_bytes])

    torn = check_log(ledger, state)
    add(ledger, state, key, "alpha-4")

    assert (torn.problems, torn.torn) == ((), True)
    assert lines(state)[:3] == whole
    assert check_log(ledger, state).problems == ()
    assert check_log(ledger, state).lines == 4


def test_a_whole_line_whose_note_a_kill_prevented_is_not_written_twice(
    ledger: Ledger, state: Path, key: SigningKey
) -> None:
    ledger.connection.execute("UPDATE custody SET written = 0 WHERE number = 3")

    add(ledger, state, key, "alpha-4")

    assert len(lines(state)) == 4
    assert problems(ledger, state) == ()


def test_of_a_copied_log_only_lines_after_the_copied_ledger_are_cut_off(
    ledger: Ledger, state: Path, key: SigningKey, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    ledger.connection.execute("VACUUM INTO ?", (str(copy / "ledger.sqlite"),))
    add(ledger, state, key, "alpha-4")
    shutil.copy(state / LOG, copy / LOG)
    with Ledger(copy) as copied:
        assert problems(copied, copy) != ()

        drop_newer_lines(copied, copy)

        assert problems(copied, copy) == ()
        assert lines(copy) == lines(state)[:3]
        add(copied, copy, key, "alpha-5")
        assert problems(copied, copy) == ()

        changed = _change(lines(copy))
        (copy / LOG).write_bytes(b"".join(changed))
        drop_newer_lines(copied, copy)
        assert lines(copy) == changed, "what somebody changed is left to be found"
