"""A ledger that was brought to another folder names what lies there."""

from __future__ import annotations

from pathlib import Path

from tasks.content.names import Blake3
from tasks.ledger.inventories import Inventories, InventoryRecord
from tasks.ledger.moved import PATHS, settle_moved_ledger
from tasks.ledger.store import Ledger
from tests.support.bundles import NOW

DIGEST = Blake3(bytes(32))


def test_every_column_with_a_path_below_the_state_folder_is_moved(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        tables = ledger.connection.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        columns = {
            (table, row["name"])
            for (table,) in tables.fetchall()
            for row in ledger.connection.execute(f"PRAGMA table_info({table})").fetchall()
        }
    assert {(t, c) for t, c in columns if c in {"folder", "report"}} == set(PATHS.items())


def test_an_inventory_is_found_in_the_new_folder(tmp_path: Path) -> None:
    old, new = "/srv/old/state", str(tmp_path)
    record = InventoryRecord(
        digest=DIGEST, entries=DIGEST, files=1, folder=Path(old, "inventories", "1"), accepted=NOW
    )
    with Ledger(tmp_path) as ledger:
        Inventories(ledger).accept(record)
        settle_moved_ledger(ledger, old, new, now=NOW)
        moved = Inventories(ledger).newest()
    assert moved is not None
    assert moved.folder == tmp_path / "inventories" / "1"
