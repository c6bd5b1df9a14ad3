"""A ledger of any version before is brought up to this one, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.runs import Runs
from tasks.ledger.schema import MIGRATIONS, migrate, transaction
from tasks.ledger.store import Ledger
from tasks.refusals import SafetyError
from tests.support.labs import ROOT
from tests.support.older_labs import OlderLab, unpack_lab
from tests.support.runs import open_test_run, write_site_file

TABLES = ("fact", "export", "import", "decision", "step", "run")
# A later version's: changes a table of today, fills it, and adds another.
LATER = (
    *MIGRATIONS,
    ("ALTER TABLE run ADD COLUMN site TEXT", "UPDATE run SET site = 'alpha'"),
    ("CREATE TABLE visit (id INTEGER PRIMARY KEY)", "INSERT INTO visit VALUES (7)"),
)
# Dies before its Nth statement, as by a power loss; ends with 0 when it has fewer.
MIGRATE_AND_DIE = """
import json, os, sqlite3, sys
from pathlib import Path
from tasks.ledger.schema import migrate
path, migrations, left = Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
def count(statement):
    global left
    left -= 1
    if left == 0:
        os._exit(9)
connection = sqlite3.connect(path, isolation_level=None)
connection.set_trace_callback(count)
migrate(connection, path, migrations)
"""


def rows_of(path: Path) -> dict[str, Any]:
    """All that stands in a ledger, read without the product."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            "version": connection.execute("PRAGMA user_version").fetchone()[0],
            "tables": connection.execute("SELECT name, sql FROM sqlite_master").fetchall(),
            **{table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES},  # noqa: S608
        }


def last_time(before: dict[str, Any]) -> str:
    """The time of the import that wrote what waits."""
    return max(str(done or begun) for *_, begun, done, _outcome in before["import"])


@pytest.mark.parametrize("side", ["staging", "disconnected"])
@pytest.mark.parametrize("name", ["export-killed", "import-killed"])
def test_a_ledger_of_0_1_0_gets_its_number_and_keeps_every_row(
    tmp_path: Path, name: OlderLab, side: str
) -> None:
    state = unpack_lab(name, tmp_path / "lab").folder / side / "state"
    before = rows_of(state / "ledger.sqlite")
    assert before["version"] == 0
    with Ledger(state) as ledger:
        assert len(Exports(ledger).all()) == len(before["export"])
        assert len(Imports(ledger).all()) == len(before["import"])
        assert len(Runs(ledger).newest(100)) == len(before["run"])
        chain, machine = ledger.chain, ledger.machine
    facts = dict(before["fact"])
    assert (facts["chain"], facts["machine"]) == (f'"{chain}"', f'"{machine}"')
    after = rows_of(state / "ledger.sqlite")
    # Nobody knows the process of such a run.
    expected = before | {"run": [(*row, None, None, None) for row in before["run"]]}
    expected["decision"] = [
        (*row, None if row[0] == "applied" else last_time(before)) for row in before["decision"]
    ]
    assert {name: after[name] for name in TABLES} == {name: expected[name] for name in TABLES}
    assert after["version"] == len(MIGRATIONS)


def test_a_new_ledger_is_like_a_migrated_one(tmp_path: Path) -> None:
    older = unpack_lab("export-killed", tmp_path / "lab").folder / "staging" / "state"
    for state in (older, tmp_path / "new"):
        Ledger(state).__exit__()
    new = rows_of(tmp_path / "new" / "ledger.sqlite")
    assert new["version"] == len(MIGRATIONS)
    migrated = rows_of(older / "ledger.sqlite")["tables"]
    normal = [" ".join(str(sql).replace("IF NOT EXISTS ", "").split()) for _, sql in migrated]
    assert normal == [" ".join(str(sql).split()) for _, sql in new["tables"]]


def test_a_ledger_of_a_later_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    with open_test_run(site) as place:
        path = place.ledger.path
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, LATER)
        connection.execute("PRAGMA journal_mode = DELETE")
    content = path.read_bytes()
    with (
        pytest.raises(SafetyError, match=f"schema version {len(LATER)}") as caught,
        open_test_run(site),
    ):
        pass
    assert str(path) in caught.value.message
    assert "Run the version of the product that wrote it" in caught.value.next_step
    assert path.read_bytes() == content


def test_a_migration_that_is_killed_anywhere_is_done_wholly_by_the_next_run(
    tmp_path: Path,
) -> None:
    state = unpack_lab("export-killed", tmp_path / "lab").folder / "staging" / "state"
    path = state / "ledger.sqlite"
    content, before = path.read_bytes(), rows_of(path)
    program = [sys.executable, "-c", MIGRATE_AND_DIE, str(path), json.dumps(LATER)]
    number = deaths = 0
    while True:
        number += 1
        path.write_bytes(content)
        ended = subprocess.run([*program, str(number)], cwd=ROOT, check=False)
        if ended.returncode == 0:
            break
        assert ended.returncode == 9
        deaths += 1
        assert rows_of(path) == before, f"killed before statement {number}"
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            migrate(connection, path, LATER)
        _is_migrated(path, before)
    assert deaths > sum(map(len, LATER))
    _is_migrated(path, before)


def _is_migrated(path: Path, before: dict[str, Any]) -> None:
    after = rows_of(path)
    assert after["version"] == len(LATER)
    assert after["run"] == [(*row, None, None, None, "alpha") for row in before["run"]]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM visit").fetchall() == [(7,)]


def test_of_two_that_migrate_at_once_one_does_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    waits = threading.Event()

    def migrate_second() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as second:
            second.set_trace_callback(lambda text: waits.set() if "BEGIN" in text else None)
            migrate(second, path, LATER)

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as first,
        ThreadPoolExecutor() as pool,
    ):
        migrate(first, path)
        with transaction(first):
            ended = pool.submit(migrate_second)
            assert waits.wait(timeout=30)  # it has seen the older version, and wants to write
            missing = LATER[len(MIGRATIONS) :]
            for statement in (text for statements in missing for text in statements):
                first.execute(statement)
            first.execute(f"PRAGMA user_version = {len(LATER)}")
        ended.result()
    assert rows_of(path)["version"] == len(LATER)
