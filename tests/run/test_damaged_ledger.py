"""A ledger that SQLite opens and whose rows are not ours is named; nothing foreign comes out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from uuid import UUID

import pytest

from tasks.approvals.losses import Losses
from tasks.approvals.model import Action, Approval, ApprovalSet
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import Ruling, RulingKind
from tasks.content.names import Blake3
from tasks.custody.log import custody_head, record
from tasks.custody.model import CustodyEntry
from tasks.errors import HostFileError
from tasks.importing.approval_run import last_applied
from tasks.importing.taken_back import read_taken_back
from tasks.ledger.announced import Announced
from tasks.ledger.choices import Choices
from tasks.ledger.findings import AcceptedFindings
from tasks.ledger.imports import DecisionState, ImportRecord, RememberedDecision
from tasks.ledger.inventories import Inventories, InventoryRecord
from tasks.ledger.questions import Question, Questions
from tasks.ledger.repairs import RepairRecord, Repairs
from tasks.ledger.rulings import StoredRulings
from tasks.ledger.runs import RunRecord, Runs
from tasks.ledger.steps import Attempt, Confirmation, ExportedPackage
from tasks.ledger.taken_back import TakenBack
from tasks.metadata.audit import MissingFile, MissingReason
from tasks.run.context import RunContext
from tasks.run.keys import signing_key
from tasks.run.waiting_decisions import waiting_decisions
from tests.approvals.building import u
from tests.support.bundles import NOW
from tests.support.runs import reserved

DIGEST = Blake3(bytes(32))
GROUP = ("All Computers", "Servers")
JUNK: tuple[object, ...] = ("", "junk", b"\xff\xfe", -1, "[1]", '{"a":1}', "2031-05-01T00:00:00")
READERS: tuple[Callable[[RunContext], object], ...] = (
    lambda run: run.exports.all(),
    lambda run: run.exports.newest(),
    lambda run: [run.exports.missing_after(record) for record in run.exports.all()],
    lambda run: run.imports.all(),
    lambda run: run.imports.newest_done(),
    lambda run: run.imports.lost_bundle,
    lambda run: last_applied(run.imports),
    lambda run: waiting_decisions(run.imports, "parked"),
    lambda run: waiting_decisions(run.imports, "held"),
    lambda run: list(run.imports.decisions("parked")),
    lambda run: Runs(run.ledger).newest(5),
    lambda run: AcceptedFindings(run.ledger).all(),
    lambda run: StoredRulings(run.ledger).all(),
    lambda run: run.imports.missing.of_revision(u(1), 1),
    lambda run: run.imports.accepted_losses(),
    lambda run: read_taken_back(run.ledger),
    lambda run: custody_head(run.ledger),
    lambda run: Questions(run.ledger).open(),
    lambda run: Choices(run.ledger).all(),
    lambda run: Inventories(run.ledger).newest(),
    lambda run: Repairs(run.ledger).newest("endpoint-old"),
    lambda run: run.ledger.attempts("import"),
    lambda run: run.ledger.steps("import-1").attempt("import"),
    lambda run: run.ledger.steps("import-1").package,
    lambda run: run.ledger.steps("import-1").loaded_package,
    lambda run: run.ledger.steps("import-1").confirmation,
    lambda run: run.ledger.latest_time(NOW),
    lambda run: run.ledger.chain,
)


@dataclass
class Damage:
    """One value in one column of a row."""

    table: str
    column: str
    value: object


@pytest.fixture
def run(disconnected: RunContext) -> RunContext:
    """A side that remembers one of everything."""
    folder = disconnected.site.state_dir
    disconnected.exports.reserve(reserved(1, folder))
    disconnected.imports.begin(
        ImportRecord(
            header_digest=DIGEST, sequence=1, status="done", folder=folder, created=NOW,
            begun=NOW, done=NOW, outcome="complete",
        )
    )  # fmt: skip
    approval = Approval(update_id=u(1), revision=1, group=GROUP, action=Action.INSTALL)
    states: tuple[DecisionState, ...] = ("applied", "parked", "held")
    body = json.dumps(approval.as_json() | {"kind": "approval"})
    disconnected.imports.remember(
        [
            RememberedDecision(state, approval.update_id, 1, "/".join(GROUP), body)
            for state in states
        ],
        now=NOW,
    )
    disconnected.imports.remember_lost(3)
    remember_decided(disconnected)
    Choices(disconnected.ledger).remember("1", "since", sequence=1, reason="r", now=NOW)
    inventory = InventoryRecord(digest=DIGEST, entries=DIGEST, files=1, folder=folder, accepted=NOW)
    Inventories(disconnected.ledger).accept(inventory)
    repair = RepairRecord(run="1", finding="endpoint-old", plan="{}", begun=NOW)
    Repairs(disconnected.ledger).begin(repair)
    Announced(disconnected.ledger).add("late", "alpha", now=NOW)
    Questions(disconnected.ledger).ask(Question(UUID(int=1), "key", "d", "run", NOW))
    Runs(disconnected.ledger).write(RunRecord(id="1", command="import", started=NOW))
    steps = disconnected.ledger.steps("import-1")
    steps.begin_attempt(Attempt(verb="import", package="p", log="l", job="j"), now=NOW)
    package = ExportedPackage(
        path=folder, blake3=DIGEST, size_bytes=1, revisions=1, counts=(1, 1, 1)
    )
    steps.finish_package(package, now=NOW)
    steps.finish_loading(DIGEST, now=NOW)
    steps.confirm(Confirmation(digest="d", takes_away=()), now=NOW)
    accepted = AcceptedFindings(disconnected.ledger)
    accepted.remember("run", finding="bundle-old", evidence="e", reason="r", now=NOW)
    disconnected.ledger.note_time(NOW)
    disconnected.ledger.adopt_chain("0" * 32)
    for reader in READERS:
        reader(disconnected)
    return disconnected


def remember_decided(run: RunContext) -> None:
    """Fill the tables of a person's decisions, and what they rest on."""
    StoredRulings(run.ledger).record(
        [
            Ruling(
                kind=RulingKind.APPLY, subject="approval", update_id=u(1), revision=1, group=GROUP,
                waited_for=Reason.DEADLINE_PAST, reason="r", account="a", decided=NOW,
            )
        ]
    )  # fmt: skip
    missing = MissingFile(
        update_id=u(1), revision=1, title="t", kb="", file="f", size_bytes=1,
        reason=MissingReason.NEVER_DOWNLOADED, reason_text="t",
    )  # fmt: skip
    run.imports.missing.remember([missing], now=NOW)
    run.imports.accept_losses(Losses(frozenset({(u(1), GROUP)}), frozenset()))
    approval = Approval(update_id=u(1), revision=1, group=GROUP, action=Action.INSTALL)
    TakenBack(run.ledger).replace(ApprovalSet.collect(approvals=[approval]).lines())
    entry = CustodyEntry(event="decided", who="a", machine="m", version="1")
    record(run.ledger, run.site.state_dir, signing_key(run.site), entry, now=NOW)


def damages(run: RunContext) -> Iterator[Damage]:
    """Every value of junk in every column of every table."""
    connection = run.ledger.connection
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type='table'"):
        for row in connection.execute(f"PRAGMA table_info({table})").fetchall():
            yield from (Damage(table, row["name"], value) for value in JUNK)


def test_a_damaged_row_is_named_as_a_fault_of_the_ledger(run: RunContext) -> None:
    named: set[int] = set()
    for damage in list(damages(run)):  # an open question would go on seeing what was there before
        with closing(sqlite3.connect(run.ledger.path, isolation_level=None)) as other:
            before = list(other.execute(f"SELECT * FROM {damage.table}"))  # noqa: S608  our names
            with suppress(sqlite3.IntegrityError):  # two rows of one name
                other.execute(
                    f"UPDATE {damage.table} SET {damage.column} = ?",  # noqa: S608  our names
                    (damage.value,),
                )
            for number, reader in enumerate(READERS):
                if (error := _error_of(reader, run)) is not None:
                    named.add(number)
                    assert isinstance(error, HostFileError), (damage, number, error)
                    assert "ledger.sqlite" in error.message, damage
                    assert "restore the state folder" in error.next_step, damage
            other.execute(f"DELETE FROM {damage.table}")  # noqa: S608  our names
            marks = ",".join("?" * len(before[0]))
            other.executemany(
                f"INSERT INTO {damage.table} VALUES ({marks})",  # noqa: S608  our names
                before,
            )
    assert named == set(range(len(READERS)))


def _error_of(reader: Callable[[RunContext], object], run: RunContext) -> Exception | None:
    try:
        reader(run)
    except Exception as error:  # noqa: BLE001  what is none of ours is what the test looks for
        return error
    return None
