"""What a side knows of itself, and which steps of a piece of work are done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tasks.content.names import Blake3
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.runs import Runs
from tasks.ledger.steps import Attempt, Confirmation, ExportedPackage, Steps
from tasks.ledger.store import Ledger
from tasks.names import Side
from tests.support.bundles import CHAIN, NOW
from tests.support.older_labs import unpack_lab

HOUR = timedelta(hours=1)
DIGEST = Blake3.from_hex("ab" * 32)
PACKAGE = ExportedPackage(
    path=Path("/state/metadata.xml.gz"), blake3=DIGEST, size_bytes=7, revisions=2, counts=(1, 0, 1)
)
ATTEMPT = Attempt(verb="export", package="p", log="l", job="j")
CONFIRMATION = Confirmation(digest="cd" * 32, takes_away=("a", "b"))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "state") as ledger:
        yield ledger


def test_no_property_of_the_ledger_writes(ledger: Ledger) -> None:
    before = ledger.connection.total_changes
    count = 0
    for part in (ledger, Exports(ledger), Imports(ledger), Runs(ledger), ledger.steps("export-1")):
        for name, member in vars(type(part)).items():
            if isinstance(member, property):
                getattr(part, name)
                count += 1
    assert count > 5
    assert ledger.connection.total_changes == before


def test_a_side_that_looks_for_its_chain_still_follows_the_first_that_comes(
    ledger: Ledger,
) -> None:
    assert ledger.chain is None
    assert ledger.adopt_chain(CHAIN) == CHAIN
    assert ledger.adopt_chain("f" * 32) == CHAIN
    assert Exports(ledger).mint_chain() == ledger.chain == CHAIN


def test_a_chain_is_minted_once(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        chain = Exports(ledger).mint_chain()
        assert len(chain) == 32
        assert Exports(ledger).mint_chain() == chain
    with Ledger(tmp_path) as ledger:
        assert ledger.chain == chain


def test_a_state_folder_keeps_its_machine_and_owner(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        machine = ledger.machine
        assert ledger.claim("one") == "one"
    with Ledger(tmp_path) as ledger:
        assert ledger.machine == machine
        assert ledger.claim("two") == "one"
    with Ledger(tmp_path / "other") as other:
        assert other.machine != machine


def test_the_server_of_each_side_is_adopted_once(ledger: Ledger) -> None:
    assert ledger.server_id(Side.STAGING) is None
    ledger.adopt_server(Side.STAGING, "s")
    ledger.adopt_server(Side.DISCONNECTED, "d")
    ledger.adopt_server(Side.STAGING, "another")
    assert (ledger.server_id(Side.STAGING), ledger.server_id(Side.DISCONNECTED)) == ("s", "d")


def test_the_newest_content_folder_wins(ledger: Ledger) -> None:
    assert ledger.content_dir is None
    for path in ("/old", r"D:\WsusContent"):
        ledger.remember_content_dir(path)
    assert ledger.content_dir == r"D:\WsusContent"


def test_time_never_runs_backwards_unless_it_is_replaced(ledger: Ledger) -> None:
    before = ledger.newest_time
    assert before is None
    assert ledger.latest_time(NOW) == NOW
    ledger.note_time((NOW + HOUR).astimezone(timezone(2 * HOUR)))
    ledger.note_time(NOW)
    newest = ledger.newest_time
    assert newest is not None
    assert newest == NOW + HOUR
    assert newest.tzinfo == UTC
    assert ledger.latest_time(NOW) == NOW + HOUR
    assert ledger.latest_time(NOW + 2 * HOUR) == NOW + 2 * HOUR
    ledger.replace_time(NOW)
    assert ledger.newest_time == NOW


Write = Callable[[Steps, datetime], None]


@pytest.mark.parametrize(
    ("write", "read", "result"),
    [
        (
            lambda steps, now: steps.begin_attempt(ATTEMPT, now=now),
            lambda steps: steps.attempt("export"),
            ATTEMPT,
        ),
        (
            lambda steps, now: steps.finish_package(PACKAGE, now=now),
            lambda steps: steps.package,
            PACKAGE,
        ),
        (
            lambda steps, now: steps.finish_loading(DIGEST, now=now),
            lambda steps: steps.loaded_package,
            DIGEST,
        ),
        (
            lambda steps, now: steps.confirm(CONFIRMATION, now=now),
            lambda steps: steps.confirmation,
            CONFIRMATION,
        ),
    ],
)
def test_a_finished_step_is_found_again_under_its_own_work_alone(
    tmp_path: Path, write: Write, read: Callable[[Steps], Any], result: object
) -> None:
    with Ledger(tmp_path) as ledger:
        assert read(ledger.steps("export-1")) is None
        write(ledger.steps("export-1"), NOW)
    with Ledger(tmp_path) as ledger:
        assert read(ledger.steps("export-1")) == result
        assert read(ledger.steps("export-2")) is None


def test_an_attempt_is_forgotten_by_its_verb(ledger: Ledger) -> None:
    steps = ledger.steps("import-1-ab")
    attempts = {verb: ATTEMPT.model_copy(update={"verb": verb}) for verb in ("export", "import")}
    for attempt in attempts.values():
        steps.begin_attempt(attempt, now=NOW)
    steps.forget_attempt("export")
    assert steps.attempt("export") is None
    assert steps.attempt("import") == attempts["import"]


def test_steps_that_0_1_0_finished_are_read(tmp_path: Path) -> None:
    exporting = unpack_lab("export-killed", tmp_path / "exporting").folder
    with Ledger(exporting / "staging" / "state") as ledger:
        package = ledger.steps("export-2").package
        assert package is not None
        assert package.path.stat().st_size == package.size_bytes

    importing = unpack_lab("import-killed", tmp_path / "importing").folder
    with Ledger(importing / "disconnected" / "state") as ledger:
        newest, oldest = Imports(ledger).newest(), Imports(ledger).newest_done()
        assert newest is not None
        assert oldest is not None
        attempt = ledger.steps(f"import-2-{newest.header_digest.short}").attempt("import")
        assert attempt is not None
        assert (Path(attempt.job) / "exit-code").read_text(encoding="ascii") == "0\n"
        loaded = ledger.steps(f"import-1-{oldest.header_digest.short}").loaded_package
        assert loaded is not None
