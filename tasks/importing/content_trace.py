"""Traces that an import leaves of content files which are not in place after it.

Every audit until the next import reads them in our folder of the bundle whose metadata count (the
newest one, also when a superseded bundle puts content back): the files that could not
be moved into WsusContent, and those that were in place before the metadata were loaded and gone
afterwards. WSUS deletes a file that it cannot trust (seen in its log).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path

from tasks.bundle.manifest import compare_sorted
from tasks.bundle.manifest_lookup import ManifestLookup
from tasks.content.content_listing import ContentListing
from tasks.content.hash_cache import HashCache
from tasks.content.names import ContentDigest
from tasks.ledger.imports import Imports
from tasks.metadata.audit import Provenance, ProvenanceLookup

_FILES = {
    Provenance.NOT_PLACED: "not-placed.txt",
    Provenance.REJECTED: "rejected.txt",
}


def record_not_placed(folder: Path, digests: Set[ContentDigest], *, adds: bool = False) -> None:
    """Record the files that could not be placed.

    Args:
        folder: Our folder of the newest bundle.
        digests: The files.
        adds: True for a superseded bundle: the files of the newest one stay recorded. Else they
            replace those of an earlier run.
    """
    earlier = {
        name for name, trace in read_traces(folder).items() if trace is Provenance.NOT_PLACED
    }
    _write(folder, Provenance.NOT_PLACED, digests | earlier if adds else digests)


def record_rejected(folder: Path, before: ContentListing, after: ContentListing) -> int:
    """Record the files that are gone since the metadata were loaded; return their number.

    Args:
        folder: Our folder of the newest bundle.
        before: WsusContent when the content was placed.
        after: WsusContent when the metadata were loaded.
    """
    pairs = compare_sorted(
        before,
        after,
        first_order=lambda file: file.name.order,
        second_order=lambda file: file.name.order,
    )
    gone = {pair.first.name.digest for pair in pairs if pair.first and pair.second is None}
    # A later run of a bundle that is loaded sees no more what went when it was loaded.
    earlier = (name for name, trace in read_traces(folder).items() if trace is Provenance.REJECTED)
    _write(folder, Provenance.REJECTED, {*earlier, *gone})
    return len(gone)


def read_traces(folder: Path) -> Mapping[ContentDigest, Provenance]:
    """Read what the import of a bundle recorded; empty if it recorded nothing."""
    traces = {}
    for provenance, name in _FILES.items():
        path = folder / name
        lines = path.read_text(encoding="ascii").split() if path.is_file() else []
        traces.update({ContentDigest.from_hex(line): provenance for line in lines})
    return traces


def provenance_lookup(
    imports: Imports, hash_cache: HashCache, *, folder: Path, manifest: ManifestLookup
) -> ProvenanceLookup:
    """Return the look-up of a file's last trace, for a plan and for the audit after it alike.

    Args:
        imports: The imports of this side.
        hash_cache: Knows the files that were in place here.
        folder: Our folder of the bundle.
        manifest: The manifest of the bundle.
    """
    traces = read_traces(folder)
    is_lost = imports.lost_bundle is not None

    def provenance(digest: ContentDigest) -> Provenance:
        if digest in traces:
            return traces[digest]
        if not manifest.has(digest):
            return Provenance.NEVER_HELD
        if manifest.carried_bytes(digest) is not None or hash_cache.knows(digest):
            return Provenance.PLACED
        return Provenance.IN_LOST_BUNDLE if is_lost else Provenance.HELD_BY_STAGING

    return provenance


def _write(folder: Path, provenance: Provenance, digests: Iterable[ContentDigest]) -> None:
    text = "".join(f"{digest.hex}\n" for digest in digests)
    (folder / _FILES[provenance]).write_text(text, encoding="ascii")
