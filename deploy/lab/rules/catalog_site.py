"""The Microsoft Update Catalog of a lab: updates that only a manual import brings to a server.

Which ones they are follows from the lab's seed, so that ``lab catalog`` can list them without a
server of Microsoft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from deploy.lab.generate.catalogue import Catalogue, Entry
from deploy.lab.generate.draft import MONTH_NUMBERS
from deploy.lab.rules import ingest, registry
from deploy.lab.rules.server import RuleError, Server, now
from deploy.lab.store import database, revision_store

# Numbers that no month and no synchronisation uses.
_FIRST_NUMBER = 950 * MONTH_NUMBERS
_COUNT = 12


def entries(server: Server) -> tuple[Entry, ...]:
    """The updates of the Catalog."""
    return _entries(server.setting("seed"), server.setting("mean_bytes"))


@lru_cache(maxsize=4)
def _entries(seed: int, mean_bytes: float) -> tuple[Entry, ...]:
    catalogue = Catalogue(seed, mean_bytes)
    return tuple(catalogue.entry(_FIRST_NUMBER + 3 * index) for index in range(_COUNT))


def import_update(server: Server, update_id: str, files: Sequence[str]) -> None:
    """``ImportUpdateFromCatalogSite``: fetch an update with its children; one that is there stays.

    Raises:
        RuleError: The .NET Framework does not use TLS 1.2, nothing can be reached, or the Catalog
            has no such update.
    """
    del files  # files that somebody downloaded before are not looked at
    if not server.setting("is_connected"):
        raise RuleError(
            "InvalidOperationException",
            "The remote name could not be resolved: 'www.catalog.update.microsoft.com'",
        )
    if registry.is_strong_cryptography_off(server):
        raise RuleError(
            "InvalidOperationException",
            "The underlying connection was closed: An unexpected error occurred on a send.",
        )
    by_id = {entry.newest.update_id: entry for entry in entries(server)}
    entry = by_id.get(update_id.lower())
    if entry is None:
        raise RuleError(
            "WsusObjectNotFoundException",
            f"The update {update_id} could not be found in the Microsoft Update Catalog.",
        )
    if revision_store.has(server.connection, *entry.newest.key):
        return
    with database.transaction(server.connection):
        for revision in entry.revisions:
            ingest.insert(server, replace(revision, arrived=now()))
        ingest.apply_rules(server, [revision.key for revision in entry.revisions])
