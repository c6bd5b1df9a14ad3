"""Inventory of the disconnected side: read it, and count on it until the first receipt comes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.inventory import TrustedInventory, copy_entries, read_inventory
from tasks.bundle.layout import MANIFEST
from tasks.errors import HostFileError
from tasks.ledger.inventories import Inventories, InventoryRecord
from tasks.quantities import count, size
from tasks.refusals import WrongSiteError
from tasks.run.context import RunContext
from tasks.run.keys import site_trust
from tasks.site.settings import Site


@dataclass(frozen=True, slots=True)
class AcceptedInventory:
    """An inventory that is proved to its last line.

    Attributes:
        trusted: The inventory.
        entries: Path of our copy of its list, in the scratch folder of the run.
    """

    trusted: TrustedInventory
    entries: Path

    @property
    def subject(self) -> str:
        """Name of what was accepted, for people."""
        return f"{self.trusted.inventory.site} inventory"


def open_inventory(site: Site, scratch: Path, path: Path) -> AcceptedInventory:
    """Verify an inventory and copy its list.

    Raises:
        SealError: It has no valid seal by a trusted key.
        WrongSiteError: It is for another site.
        TamperError, TrustError: Its lines are not those that were sealed, or break the format.
        HostFileError: It cannot be read.
    """
    entries = scratch / "inventory.jsonl"
    try:
        with path.open("rb") as stream:
            trusted = read_inventory(stream, path=str(path), trust=site_trust(site))
            sealed_for = trusted.inventory.site
            if sealed_for != site.name:
                raise WrongSiteError(what=path, found=sealed_for, expected=site.name)
            copy_entries(stream, entries, trusted, path=str(path))
    except OSError as error:
        reason = error.strerror or str(error)
        raise HostFileError(operation="read", path=path, reason=reason) from error
    return AcceptedInventory(trusted, entries)


def count_on_inventory(run: RunContext, accepted: AcceptedInventory) -> None:
    """Record an inventory, unless a receipt says already what the other side has."""
    inventory = accepted.trusted.inventory
    baseline = run.exports.baseline()
    if baseline is not None:
        run.report.lines.append(
            f"the baseline stands at bundle {baseline.sequence} already; an inventory changes "
            "nothing after the first receipt"
        )
        return
    folder = run.site.state_dir / "inventories" / accepted.trusted.digest.short
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(accepted.entries, folder / MANIFEST)
    run.media.flush_files([run.media.path(str(folder / MANIFEST))]).require_all()
    run.media.flush_folders([run.media.path(str(folder))])
    Inventories(run.ledger).accept(
        InventoryRecord(
            digest=accepted.trusted.digest,
            entries=inventory.entries.blake3,
            files=inventory.files,
            folder=folder,
            accepted=run.clock(),
        )
    )
    run.report.note(files=inventory.files, bytes=inventory.size_bytes)
    run.report.lines.append(
        f"the disconnected side has {count(inventory.files, 'content file')} "
        f"({size(inventory.size_bytes)}); the next bundle carries only the others"
    )
