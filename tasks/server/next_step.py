"""The true next step of a side, from its ledger, as a command that can be pasted."""

from __future__ import annotations

from pathlib import Path

from tasks.ledger.exports import ExportRecord
from tasks.ledger.imports import ImportRecord


def next_export_step(
    newest: ExportRecord | None, sealed: ExportRecord | None, accepted: int | None, site: Path
) -> str:
    """Say what to do on the staging side.

    Args:
        newest: The newest sequence number; None before the first.
        sealed: The newest sealed bundle; None before the first.
        accepted: Number of the newest bundle whose receipt came; None before the first.
        site: The site file.
    """
    export = f"`wsus-airgap export --site {site}`"
    if newest is not None and newest.status in ("reserved", "committed"):
        return f"The export of {newest.bundle.name} has not ended; {export} goes on with it."
    if sealed is None:
        return f"{export} makes the first bundle."
    if accepted is None or sealed.sequence > accepted:
        return (
            f"Carry {sealed.bundle} to the disconnected side and import it there; when its receipt "
            f"is back, `wsus-airgap accept RECEIPT --site {site}`."
        )
    return f"Nothing waits; {export} makes the next bundle when there is something to bring."


def next_import_step(newest: ImportRecord | None, receipts: Path, site: Path) -> str:
    """Say what to do on the disconnected side.

    Args:
        newest: The import with the highest number, finished or not; None before the first.
        receipts: The folder of receipts.
        site: The site file.
    """
    bring = f"`wsus-airgap import --site {site}`"
    if newest is None:
        return f"Put in the medium of the first bundle, then {bring}."
    if newest.status != "done":
        return f"The import of bundle {newest.sequence} has not ended; {bring} goes on with it."
    return (
        f"Carry the receipt of bundle {newest.sequence} back, if it is not there yet ({receipts}); "
        f"with the next medium {bring}."
    )
