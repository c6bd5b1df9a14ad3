"""A custody log that was tampered with: `status` and `history --verify` refuse it, either side."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.bundle.keys import generate_keys, load_signing_key
from tasks.custody import CustodyEntry, record
from tasks.custody.log import LOG
from tasks.inspection.history import show_history
from tasks.ledger.store import Ledger
from tasks.refusals import CustodyError
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.server.status import read_status
from tests.support.bundles import NOW
from tests.support.runs import open_test_run, write_site_file

Tampering = Callable[[Path], None]


def rewrite(change: Callable[[list[bytes]], list[bytes]]) -> Tampering:
    """Write the lines of the file anew."""

    def tamper(state: Path) -> None:
        path = state / LOG
        path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))

    return tamper


def rewrite_without_the_key(state: Path) -> None:
    """Put a log in its place that is whole in itself, by a key of somebody else."""
    stranger = load_signing_key(generate_keys(state / "strange").signing_key)
    with Ledger(state / "other") as other:
        for line in (state / LOG).read_bytes().splitlines():
            fields = json.loads(line)
            entry = {key: fields[key] for key in ("event", "who", "machine", "version", "text")}
            entry["text"] = str(entry["text"]).replace("3", "4")
            record(other, state / "other", stranger, CustodyEntry.model_validate(entry), now=NOW)
    shutil.copy(state / "other" / LOG, state / LOG)


def replace_by_an_older_copy(state: Path) -> None:
    shutil.copy(state / "older", state / LOG)


TAMPERINGS: dict[str, tuple[Tampering, str]] = {
    "changed": (
        rewrite(lambda lines: [line.replace(b"event 2", b"event 9") for line in lines]),
        "line 2 is not the one that was recorded",
    ),
    "removed": (rewrite(lambda lines: lines[:1] + lines[2:]), "line 2 is not the one"),
    "moved": (rewrite(lambda lines: [lines[0], lines[2], lines[1]]), "line 2 is not the one"),
    "last lines cut off": (
        rewrite(lambda lines: lines[:1]),
        "line 2 is gone from the file: it was cut off, or the file was replaced",
    ),
    "emptied": (rewrite(lambda _: []), "line 1 is gone from the file"),
    "deleted": (lambda state: (state / LOG).unlink(), "line 1 is gone from the file"),
    "rewritten without the key": (rewrite_without_the_key, "line 1 is not the one"),
    "replaced by an older copy": (
        replace_by_an_older_copy,
        "line 3 is gone from the file: it was cut off, or the file was replaced",
    ),
    "lines added": (rewrite(lambda lines: [*lines, lines[-1]]), "more than the 3 lines"),
}


def fill(run: RunContext) -> None:
    """Record three lines; a copy is made after the second."""
    for number in (1, 2, 3):
        record_event(run, "verified", f"event {number}")
        if number == 2:
            shutil.copy(run.site.state_dir / LOG, run.site.state_dir / "older")


@pytest.mark.parametrize("side", ["staging", "disconnected"])
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_status_and_history_refuse_a_log_that_was_tampered_with_and_say_what_they_found(
    tmp_path: Path, side: str, tampering: str
) -> None:
    tamper, sentence = TAMPERINGS[tampering]
    with open_test_run(write_site_file(tmp_path, side=side)) as run:
        fill(run)
    assert read_status("alpha", clock=lambda: NOW).exit_code == 0
    tamper(run.site.state_dir)

    status = read_status("alpha", clock=lambda: NOW)
    with pytest.raises(CustodyError, match="is not what this side recorded") as refusal:
        show_history("alpha", as_csv=False, verify=True, clock=lambda: NOW)

    (error,) = status.errors
    assert (status.exit_code, status.outcome, error.kind) == (3, "refused", "custody")
    assert sentence in error.message
    assert error.message == refusal.value.message
    assert refusal.value.exit_code == 3
    assert status.tables, "what the ledger has is shown all the same"

    # Whatever is recorded afterwards does not cover it up.
    with open_test_run(run.site.path) as later:
        record_event(later, "verified", "event 4")
    assert read_status("alpha", clock=lambda: NOW).exit_code == 3


@pytest.mark.parametrize("side", ["staging", "disconnected"])
def test_a_line_that_a_kill_tore_is_no_tampering_and_the_next_run_completes_it(
    tmp_path: Path, side: str
) -> None:
    with open_test_run(write_site_file(tmp_path, side=side)) as run:
        fill(run)
        run.ledger.connection.execute("UPDATE custody SET written = 0 WHERE number = 3")
    log = run.site.state_dir / LOG
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])

    proved = show_history("alpha", as_csv=False, verify=True, clock=lambda: NOW)
    assert read_status("alpha", clock=lambda: NOW).exit_code == 0
    with open_test_run(run.site.path) as later:
        record_event(later, "verified", "event 4")

    assert "a kill tore the last one" in proved.lines[-1]
    assert log.read_bytes().startswith(whole)
    again = show_history("alpha", as_csv=False, verify=True, clock=lambda: NOW)
    assert again.lines[-1].startswith("custody log: 4 lines")
