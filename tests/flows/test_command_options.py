"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature

import pytest

from flows.commands import crossing, inspection, mending, repairing, upkeep

LOCKING: dict[str, Callable[..., object]] = {
    "export": crossing.export,
    "import": crossing.import_,
    "audit": crossing.audit,
    "catalog-import": crossing.catalog_import,
    "restore-deleted": mending.restore_deleted,
    "site recover": mending.site_recover,
    "repair": repairing.repair,
    "sign": inspection.sign,
    "tidy": upkeep.tidy,
}


@pytest.mark.parametrize("command", LOCKING)
def test_every_command_that_locks_takes_over_a_lock_for_a_reason(command: str) -> None:
    assert "take_over" in signature(LOCKING[command]).parameters
