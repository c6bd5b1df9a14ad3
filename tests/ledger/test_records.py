"""Bundles, imports, decisions and runs, as a side remembers them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.content.names import Blake3
from tasks.ledger.exports import ExportRecord, Exports
from tasks.ledger.imports import DecisionState, ImportRecord, Imports, RememberedDecision
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.store import Ledger
from tasks.names import Mode
from tests.support.bundles import NOW
from tests.support.runs import reserved

DAY = timedelta(days=1)


def digest(number: int) -> Blake3:
    return Blake3.from_hex(f"{number:064x}")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "state") as ledger:
        yield ledger


@pytest.fixture
def exports(ledger: Ledger) -> Exports:
    return Exports(ledger)


@pytest.fixture
def imports(ledger: Ledger) -> Imports:
    return Imports(ledger)


def number_of(record: ExportRecord | ImportRecord | None) -> int | None:
    return None if record is None else record.sequence


# --- exports -------------------------------------------------------------------------------------


def test_a_number_goes_from_reserved_over_committed_to_sealed_and_accepted(
    exports: Exports, tmp_path: Path
) -> None:
    record = reserved(1, tmp_path)
    exports.reserve(record)
    assert exports.newest() == exports.by_sequence(1) == record
    assert exports.newest_sealed() is exports.by_digest(digest(1)) is exports.baseline() is None

    exports.rebase(1, mode=Mode.MIRROR, base_digest=digest(9))
    exports.commit(1, header_digest=digest(1), fingerprint="f")
    exports.rebase(1, mode=Mode.INCREMENTAL, base_digest=None)  # too late
    committed = exports.by_digest(digest(1))
    assert committed == record.model_copy(
        update={
            "status": "committed",
            "mode": Mode.MIRROR,
            "base_digest": digest(9),
            "header_digest": digest(1),
            "fingerprint": "f",
        }
    )

    exports.mark_sealed(1, now=NOW)
    exports.accept(1, receipt="{}", now=NOW + DAY)
    sealed = exports.newest_sealed()
    assert sealed == exports.baseline()
    assert sealed is not None
    assert (sealed.status, sealed.sealed) == ("sealed", NOW)
    assert (sealed.receipt, sealed.accepted) == ("{}", NOW + DAY)


def test_the_newest_of_each_kind_is_found_by_number(exports: Exports, tmp_path: Path) -> None:
    for sequence in (3, 1, 2, 5, 4):
        exports.reserve(reserved(sequence, tmp_path))
    for sequence in (1, 2, 3):
        exports.mark_sealed(sequence, now=NOW)
    for sequence in (2, 1):
        exports.accept(sequence, receipt=None, now=NOW)
    exports.void(4)
    assert number_of(exports.newest()) == 5
    assert number_of(exports.newest_sealed()) == 3
    assert number_of(exports.baseline()) == 2
    assert exports.void_since(3) == [4]
    assert exports.void_since(4) == []
    assert [record.sequence for record in exports.all()] == [1, 2, 3, 4, 5]


def test_a_number_is_committed_again_only_to_the_header_it_has(
    exports: Exports, tmp_path: Path
) -> None:
    exports.reserve(reserved(1, tmp_path))
    for _ in range(2):
        exports.commit(1, header_digest=digest(1), fingerprint="f")
    with pytest.raises(ValueError, match="bound to another header"):
        exports.commit(1, header_digest=digest(2), fingerprint="f")
    with pytest.raises(ValueError, match="bound to another header"):
        exports.commit(2, header_digest=digest(2), fingerprint="f")


# --- imports -------------------------------------------------------------------------------------


def begun(sequence: int) -> ImportRecord:
    return ImportRecord(
        header_digest=digest(sequence),
        sequence=sequence,
        status="begun",
        folder=Path("/state/imports"),
        created=NOW,
        begun=NOW,
        done=None,
        outcome=None,
    )


def test_an_import_begins_once_and_ends_once(imports: Imports) -> None:
    assert imports.newest() is imports.newest_done() is None
    imports.begin(begun(1))
    imports.begin(begun(1).model_copy(update={"begun": NOW + DAY}))
    assert imports.by_digest(digest(1)) == imports.newest() == begun(1)
    assert imports.newest_done() is None

    imports.finish(digest(1), outcome="partial", now=NOW)
    imports.finish(digest(1), outcome="complete", now=NOW + DAY)
    done = begun(1).model_copy(update={"status": "done", "done": NOW, "outcome": "partial"})
    assert imports.newest_done() == done
    imports.begin(begun(1))  # a repair leaves what is known of the first
    assert imports.all() == [done]


def test_the_newest_import_is_the_highest_number_not_the_last_begun(imports: Imports) -> None:
    for sequence in (2, 3, 1):
        imports.begin(begun(sequence))
    for sequence in (2, 1):
        imports.finish(digest(sequence), outcome="complete", now=NOW)
    assert number_of(imports.newest()) == 3
    assert number_of(imports.newest_done()) == 2
    assert [record.sequence for record in imports.all()] == [1, 2, 3]


def test_a_bundle_that_never_came_is_remembered_until_all_was_brought(imports: Imports) -> None:
    lost = [imports.lost_bundle]
    for sequence in (4, None):
        imports.remember_lost(sequence)
        lost.append(imports.lost_bundle)
    assert lost == [None, 4, None]


def decision(state: DecisionState, update_id: str) -> RememberedDecision:
    return RememberedDecision(state, update_id, revision=1, group_path="[]", body="{}")


def test_decisions_are_replaced_as_a_whole(imports: Imports) -> None:
    imports.remember(
        [decision("applied", "b"), decision("applied", "a"), decision("held", "c")], now=NOW
    )
    assert list(imports.decisions("applied")) == [
        decision("applied", "a"),
        decision("applied", "b"),
    ]
    assert list(imports.decisions("held")) == [decision("held", "c")]
    assert list(imports.decisions("parked")) == []

    imports.remember([decision("parked", "c")], now=NOW)
    assert [*imports.decisions("applied"), *imports.decisions("held")] == []
    assert list(imports.decisions("parked")) == [decision("parked", "c")]


def test_a_decision_keeps_the_time_since_when_it_waits_whatever_it_waits_for(
    imports: Imports,
) -> None:
    def times() -> dict[str, object]:
        states: tuple[DecisionState, ...] = ("applied", "parked", "held")
        return {
            waiting.update_id: waiting.since
            for state in states
            for waiting in imports.decisions(state)
        }

    imports.remember([decision("parked", "a"), decision("held", "b")], now=NOW)
    imports.remember([decision("held", "a"), decision("applied", "b")], now=NOW + DAY)
    assert times() == {"a": NOW, "b": None}
    imports.remember([decision("held", "a"), decision("held", "b")], now=NOW + 2 * DAY)
    assert times() == {"a": NOW, "b": NOW + 2 * DAY}


def test_decisions_that_cannot_all_be_written_leave_the_others_as_they_were(
    imports: Imports,
) -> None:
    imports.remember([decision("held", "c")], now=NOW)

    def broken() -> Iterator[RememberedDecision]:
        yield decision("applied", "a")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="gone"):
        imports.remember(broken(), now=NOW)
    assert list(imports.decisions("held")) == [decision("held", "c")]
    assert list(imports.decisions("applied")) == []


# --- runs ----------------------------------------------------------------------------------------


def test_the_newest_runs_come_first_and_an_end_replaces_the_beginning(ledger: Ledger) -> None:
    runs = Runs(ledger)
    for days in (1, 3, 2):
        runs.write(RunRecord(id=f"run-{days}", command="export", started=NOW + days * DAY))
    ended = RunRecord(
        id="run-3",
        command="export",
        started=NOW + 3 * DAY,
        ended=NOW + 4 * DAY,
        outcome="done",
        exit_code=0,
        bundle=Path("/media/alpha-1"),
        report=Path("/state/report.html"),
    )
    runs.write(ended)
    newest = runs.newest(2)
    assert newest[0] == ended
    assert [record.id for record in newest] == ["run-3", "run-2"]
    assert (newest[1].outcome, newest[1].exit_code) == (None, None)
