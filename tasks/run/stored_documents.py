"""Documents of a bundle in the state folder: header, manifest, approvals and package index.

Both sides read them long after the bundle was made or imported, so each is compared with the digest
in the bundle's header first. A truncated document would read as approvals taken back, or as content
that no bundle ever carried.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tasks.approvals.model import ApprovalSet, read_bounded
from tasks.bundle.header import Binding, Header
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.content.digest import blake3_of_file
from tasks.errors import FailedError, PackageError, UsageError
from tasks.ledger.imports import ImportRecord, Imports
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.refusals import TrustError

PAYLOAD = "header.payload.json"


def read_header_copy(folder: Path) -> Header | None:
    """Read a bundle's header from our folder of the bundle; None when it is lost or damaged."""
    path = folder / PAYLOAD
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            return Header.model_validate_json(stream.read(HEADER_LIMIT_BYTES))
    except ValidationError:
        return None


def matches_binding(path: Path, binding: Binding) -> bool:
    """Return True if a document of ours has the digest that a header binds."""
    return path.is_file() and blake3_of_file(path) == binding.blake3


def has_content(path: Path, expected: bytes) -> bool:
    """Return True if a small file of ours has exactly these bytes.

    At most one byte more than expected is read.
    """
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(expected) + 1) == expected


def is_readable(index: Path) -> bool:
    """Return True if the index of a package can be opened; its rows are not compared."""
    try:
        with PackageIndex(index):
            return True
    except PackageError:
        return False


def damaged_documents(folder: Path, header: Header) -> Iterator[str]:
    """Yield the names of documents that our folder of a bundle lacks or holds damaged."""
    for name, binding in ((MANIFEST, header.manifest), (APPROVALS, header.approvals)):
        if not matches_binding(folder / name, binding):
            yield name
    if not is_readable(folder / INDEX):
        yield INDEX


def require_documents(record: ImportRecord) -> None:
    """Require that the documents of an imported bundle are as they were sealed.

    Raises:
        FailedError: Some documents are lost or damaged.
    """
    header = read_header_copy(record.folder)
    if header is None or header.digest != record.header_digest:
        lost = PAYLOAD
    else:
        lost = ", ".join(damaged_documents(record.folder, header))
    if lost:
        raise FailedError(
            reason=f"what the state folder keeps of bundle {record.sequence} is lost or damaged: "
            f"{lost} in {record.folder}",
            remedy=f"Import bundle {record.sequence} again, which brings it back, or restore the "
            "state folder from its backup; then run the same command again.",
        )


def read_decisions_file(path: Path) -> ApprovalSet:
    """Read our copy of a bundle's ``approvals.jsonl``, whose bytes were proved by the seal.

    Raises:
        TrustError: Its lines break the format although they are sealed.
    """
    try:
        with path.open("rb") as lines:
            return ApprovalSet.from_lines(read_bounded(lines))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        flaw = " ".join(str(error).split())[:300]
        raise TrustError(reason=f"approvals {path}: {flaw}") from error


def require_newest_import(imports: Imports) -> ImportRecord:
    """Return the newest finished import, after comparing its documents with their header.

    Raises:
        UsageError: Nothing was imported yet.
        FailedError: Its documents are lost or damaged.
    """
    record = imports.newest_done()
    if record is None:
        raise UsageError(
            reason="nothing was imported on this side yet, so there is no metadata",
            remedy="Import a bundle first.",
        )
    require_documents(record)
    return record
