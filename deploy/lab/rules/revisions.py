"""A single revision: its metadata as a file, and its changes against the one before."""

from __future__ import annotations

from pathlib import Path

from deploy.lab.rules import package_export, update_search
from deploy.lab.rules.server import Server
from deploy.lab.store import revision_store
from deploy.lab.store.records import Revision

# Values of RevisionChanges.
_EXPIRED, _FILES, _DESCRIPTION, _TERMS, _SUPERSEDED = 1, 4, 16, 32, 64


def export_metadata(server: Server, update_id: str, revision: int, file_name: str) -> None:
    """``ExportPackageMetadata``: write the update's XML to a file, existing or not."""
    row = update_search.get_update(server, update_id, revision)
    stored = revision_store.get(server.connection, row.update_id, row.revision)
    with Path(file_name).open("w", encoding="utf-8", newline="") as file:
        file.writelines(package_export.document_parts(server.connection, stored))


def changes(server: Server, update_id: str, revision: int) -> int:
    """``GetChangesFromPreviousRevision``: flags of ``RevisionChanges``; 0 for a first revision."""
    earlier = server.connection.execute(
        "SELECT max(revision) FROM revision WHERE update_id = ? AND revision < ?",
        (update_id, revision),
    ).fetchone()[0]
    if earlier is None:
        return 0
    before = revision_store.get(server.connection, update_id, earlier)
    after = revision_store.get(server.connection, update_id, revision)
    expired = after.publication == "Expired" != before.publication
    differing = {
        _EXPIRED: expired,
        _FILES: _payload(before) != _payload(after),
        _DESCRIPTION: _description(before) != _description(after),
        _TERMS: before.license_id != after.license_id,
        _SUPERSEDED: set(before.supersedes) != set(after.supersedes),
    }
    return sum(flag for flag, differs in differing.items() if differs)


def _payload(revision: Revision) -> tuple[set[str], set[tuple[str, int]]]:
    return {file.sha1 for file in revision.files}, set(revision.bundles)


def _description(revision: Revision) -> tuple[str | None, ...]:
    return (revision.title, revision.description, revision.kb, revision.severity)
