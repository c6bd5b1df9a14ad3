"""Which number an export works on: every state of the newest record, and what may have changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.exporting.draft import Draft, unfinished_work
from tasks.names import Mode
from tasks.refusals import ServerUnfitError
from tests.approvals.building import approval
from tests.exporting.staging_side import StagingSide
from tests.metadata.writing import File
from tests.support.runs import open_test_run, write_site_file

State = Callable[[StagingSide], object]
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mirror": {"mode": Mode.MIRROR},
    "full": {"full": True},
    "new": {"new": True},
}


def none(_: StagingSide) -> None:
    """Nothing was exported yet."""


def reserved(side: StagingSide) -> None:
    side.open()


def committed(side: StagingSide) -> None:
    side.commit()


def committed_and_sealed(side: StagingSide) -> None:
    side.seal_unnoticed()


def sealed(side: StagingSide) -> None:
    side.seal()


def void(side: StagingSide) -> None:
    side.run.exports.void(side.commit().sequence)


# Number, and what it is: begun, committed (only the seal may be missing), or whole (it answers).
# A bundle that carries everything answers --full too.
TABLE: dict[State, dict[str, tuple[int, str]]] = {
    none: dict.fromkeys(OPTIONS, (1, "begun")),
    reserved: dict.fromkeys(OPTIONS, (1, "begun")),
    committed: dict.fromkeys(OPTIONS, (1, "committed")),
    committed_and_sealed: {
        "plain": (1, "whole"), "full": (1, "whole"), "mirror": (2, "begun"), "new": (2, "begun"),
    },
    sealed: {
        "plain": (1, "whole"), "full": (1, "whole"), "mirror": (2, "begun"), "new": (2, "begun"),
    },
    void: dict.fromkeys(OPTIONS, (2, "begun")),
}  # fmt: skip


def stage_of(draft: Draft) -> str:
    if draft.is_sealed:
        return "whole"
    return "committed" if draft.is_committed else "begun"


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("state", TABLE, ids=lambda state: state.__name__)
def test_the_newest_record_and_the_options_decide_the_number(
    side: StagingSide, state: State, options: str
) -> None:
    state(side)
    chain = side.run.ledger.chain

    draft = side.open(**OPTIONS[options])

    assert (draft.sequence, stage_of(draft)) == TABLE[state][options]
    assert draft.chain == side.run.ledger.chain
    assert chain in {None, draft.chain}
    is_new_number = draft.sequence == 2
    assert draft.parent == (1 if is_new_number and state is not void else None)
    assert draft.voided == ((1,) if state is void else ())
    expected_mode = OPTIONS[options].get("mode", Mode.INCREMENTAL)
    assert draft.mode == (Mode.INCREMENTAL if draft.is_committed else expected_mode)
    assert side.status_of(draft) == {"begun": "reserved", "whole": "sealed"}.get(
        stage_of(draft), "committed"
    )
    work = unfinished_work(side.run)
    assert work == (None if draft.is_sealed else draft.work)


def test_a_bundle_that_was_adopted_by_its_seal_is_remembered_as_if_it_had_not_been_killed(
    side: StagingSide,
) -> None:
    draft = side.seal_unnoticed()
    side.run.server.make_folder(side.run.folders.work_folder(draft.work.text))

    side.open()

    record = side.run.exports.by_sequence(draft.sequence)
    assert record is not None
    assert (record.status, record.sealed) == ("sealed", side.now)
    assert side.run.server.list_folder(side.run.folders.runs) == []


# --- a bundle that is whole: what outdates it -----------------------------------------------------


def _file(side: StagingSide, name: str) -> Path:
    """A content file that lies there already."""
    return side.write_file(File(name))


def _change_facts(**changes: object) -> Callable[[StagingSide, Draft], None]:
    def change(side: StagingSide, _: Draft) -> None:
        side.facts = side.facts.model_copy(update=changes)

    return change


def _approve(side: StagingSide, _: Draft) -> None:
    side.decided.append(approval(2))


def _take_back(side: StagingSide, _: Draft) -> None:
    side.decided.clear()


def _add_file(side: StagingSide, _: Draft) -> None:
    side.write_file(File("new.cab"))


def _lose_file(side: StagingSide, _: Draft) -> None:
    _file(side, "a.cab").unlink()


def _touch_file(side: StagingSide, _: Draft) -> None:
    os.utime(_file(side, "a.cab"), (1, 1))


def _move_baseline(side: StagingSide, draft: Draft) -> None:
    side.now += timedelta(days=1)
    side.run.exports.accept(draft.sequence, receipt=None, now=side.now)


def _lose_bundle(_: StagingSide, draft: Draft) -> None:
    shutil.rmtree(draft.bundle)


def _lose_seal(side: StagingSide, draft: Draft) -> None:
    side.header_of(draft).unlink()


def _truncate_carried_file(_: StagingSide, draft: Draft) -> None:
    next(draft.bundle.rglob("*.cab")).write_bytes(b"")


def _damage(name: str) -> Callable[[StagingSide, Draft], None]:
    def change(_: StagingSide, draft: Draft) -> None:
        (draft.folder / name).write_bytes(b"")

    return change


CHANGES: dict[str, Callable[[StagingSide, Draft], None]] = {
    "more updates": _change_facts(update_count=101),
    "another server": _change_facts(server_id="00000000-86a3-4f65-a4a1-94a8d7ba3b5c"),
    "another language": _change_facts(languages=("de", "en", "fr")),
    "an update arrived since": _change_facts(arrived_since=1),
    "one approval more": _approve,
    "one approval less": _take_back,
    "a content file more": _add_file,
    "a content file less": _lose_file,
    "a content file written again": _touch_file,
    "the baseline moved": _move_baseline,
    "the bundle is gone": _lose_bundle,
    "its seal is gone": _lose_seal,
    "a file of it was cut off": _truncate_carried_file,
    "our copy of its manifest is damaged": _damage(MANIFEST),
    "our copy of its approvals is damaged": _damage(APPROVALS),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_whole_bundle_answers_only_while_nothing_changed_and_it_lies_there_whole(
    side: StagingSide, name: str
) -> None:
    made = side.seal()
    assert side.open() == made.model_copy(update={"is_sealed": True})

    CHANGES[name](side, made)
    draft = side.open()

    assert (draft.sequence, stage_of(draft), draft.parent) == (2, "begun", 1)
    assert side.status_of(made) == "sealed"


@pytest.mark.parametrize(
    "change",
    [
        _change_facts(arrived_since=0),
        _change_facts(bytes_downloaded=5, clock=None, last_sync_end=None, active_rules=3),
    ],
)
def test_what_no_bundle_carries_outdates_none(
    side: StagingSide, change: Callable[[StagingSide, Draft], None]
) -> None:
    change(side, side.seal())
    assert side.open().is_sealed


@pytest.mark.parametrize("is_mended", [False, True])
def test_a_file_that_was_left_out_and_is_good_now_outdates_the_bundle_without_another_trace(
    side: StagingSide, is_mended: bool
) -> None:
    path = _file(side, "a.cab")
    before, good = path.stat(), path.read_bytes()
    path.write_bytes(b"rot!!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    draft = side.seal()
    assert not list(draft.bundle.rglob(path.name))

    if is_mended:
        path.write_bytes(good)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert side.open().is_sealed == (not is_mended)


# --- what a number counts on ----------------------------------------------------------------------


def test_a_reserved_number_is_rebased_on_the_baseline_that_came_meanwhile(
    side: StagingSide,
) -> None:
    first = side.seal()
    begun = side.open(new=True)
    assert (begun.sequence, begun.base, begun.mode) == (2, None, Mode.INCREMENTAL)
    side.now += timedelta(days=1)
    side.run.exports.accept(first.sequence, receipt=None, now=side.now)

    for options, expected in (
        ({}, (2, 1, Mode.INCREMENTAL)),
        ({"full": True}, (2, None, Mode.INCREMENTAL)),
        ({"mode": Mode.MIRROR}, (2, 1, Mode.MIRROR)),
    ):
        draft = side.open(**options)
        assert (draft.sequence, draft.base, draft.mode) == expected
        assert (draft.fingerprint == begun.fingerprint) == (draft.base is None)


def test_a_bundle_with_a_base_does_not_answer_full_and_one_without_answers_both(
    side: StagingSide,
) -> None:
    first = side.seal()
    side.now += timedelta(days=1)
    side.run.exports.accept(first.sequence, receipt=None, now=side.now)
    side.now += timedelta(days=1)

    on_base = side.seal()
    assert (on_base.sequence, on_base.base) == (2, 1)
    assert side.open().is_sealed
    whole = side.seal(full=True)
    assert (whole.sequence, whole.base, whole.parent) == (3, None, 2)
    assert [side.open(full=full).is_sealed for full in (False, True)] == [True, True]


def test_with_no_way_back_a_bundle_is_the_baseline_by_its_seal_and_answers_still(
    tmp_path: Path,
) -> None:
    site = write_site_file(tmp_path, side="staging", policy='baseline = "sent"')
    with open_test_run(site) as run:
        side = StagingSide(run, tmp_path / "WsusContent")
        side.write_file(File("a.cab"))
        side.seal()
        assert side.open().is_sealed
        side.write_file(File("b.cab"))
        draft = side.seal()
        assert (draft.sequence, draft.base) == (2, 1)
        assert side.open().is_sealed


@pytest.mark.parametrize("name", [MANIFEST, "header.payload.json"])
def test_a_baseline_whose_documents_are_damaged_is_counted_on_no_more(
    side: StagingSide, name: str
) -> None:
    first = side.seal()
    side.now += timedelta(days=1)
    side.run.exports.accept(first.sequence, receipt=None, now=side.now)
    (first.folder / name).write_bytes(b"{}")

    assert side.open().base is None

    (notice,) = side.run.report.notices
    assert "all content is carried" in notice


# --- a state folder that was lost or set back -----------------------------------------------------


def _mark_alone(side: StagingSide, draft: Draft) -> None:
    shutil.rmtree(draft.bundle)


def _medium_alone(side: StagingSide, draft: Draft) -> None:
    Path(side.run.folders.mark.text).unlink()


def _both(side: StagingSide, draft: Draft) -> None:
    """The server bears its mark, and the bundle lies on the medium."""


WITNESSES = [_mark_alone, _medium_alone, _both]


@pytest.mark.parametrize("is_reserved", [False, True], ids=["empty", "reserved"])
@pytest.mark.parametrize("witness", WITNESSES, ids=lambda witness: witness.__name__)
def test_a_number_that_server_or_medium_show_as_taken_is_never_taken_again(
    side: StagingSide, witness: Callable[[StagingSide, Draft], None], is_reserved: bool
) -> None:
    made = side.seal()
    witness(side, made)
    side.set_back()
    if is_reserved:
        side.run.ledger.connection.execute(
            "INSERT INTO export (sequence, status, mode, bundle, folder, created)"
            " VALUES (1, 'reserved', 'incremental', ?, ?, ?)",
            (str(made.bundle), str(made.folder), side.now.isoformat()),
        )

    draft = side.open()

    assert (draft.sequence, stage_of(draft)) == (2, "begun")
    assert draft.voided == ((1,) if is_reserved else ())
    notice = side.run.report.notices[0]
    assert "bundle 1 was made here before" in notice


def test_what_lies_on_the_medium_under_our_names_and_is_not_ours_takes_no_number(
    side: StagingSide,
) -> None:
    made = side.seal()
    for name in ("alpha-7", "alpha-x", "alpha-08", "beta-9"):
        shutil.copytree(made.bundle, made.bundle.with_name(name))
    (made.bundle.with_name("alpha-5") / "volume-001").mkdir(parents=True)

    assert side.open(new=True).sequence == 2
    assert side.run.report.notices == []


def test_a_mark_that_cannot_be_read_stops_the_export_before_a_number_is_taken(
    side: StagingSide,
) -> None:
    mark = Path(side.run.folders.mark.text)
    mark.write_text("no mark")
    with pytest.raises(ServerUnfitError):
        side.open()
    assert side.run.exports.all() == []
