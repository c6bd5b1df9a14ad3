"""The documents of a bundle that a state folder keeps: still those that its header binds, or not.

Both sides decide by them long after the bundle was made or imported. One that was cut off would say
that approvals were taken back, or that content is held nowhere.
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
from tasks.ledger.imports import ImportRecord
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.refusals import TrustError
from tasks.run.context import RunContext

PAYLOAD = "header.payload.json"


def read_header_copy(folder: Path) -> Header | None:
    """The header of a bundle, from our folder of it; None when it is lost."""
    path = folder / PAYLOAD
    if not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            return Header.model_validate_json(stream.read(HEADER_LIMIT_BYTES))
    except ValidationError:
        return None


def matches_binding(path: Path, binding: Binding) -> bool:
    """Whether a document of ours is the one that a header binds."""
    return path.is_file() and blake3_of_file(path) == binding.blake3


def is_kept_text(path: Path, expected: bytes) -> bool:
    """Whether a small file of ours says just this; no more of it is read than that."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(len(expected) + 1) == expected


def is_readable(index: Path) -> bool:
    """Whether the index of a package is one; what is in it was read from the package."""
    try:
        with PackageIndex(index):
            return True
    except PackageError:
        return False


def damaged_documents(folder: Path, header: Header) -> Iterator[str]:
    """Name what our folder of a bundle lacks of what is asked of it later, or has damaged."""
    for name, binding in ((MANIFEST, header.manifest), (APPROVALS, header.approvals)):
        if not matches_binding(folder / name, binding):
            yield name
    if not is_readable(folder / INDEX):
        yield INDEX


def require_documents(record: ImportRecord) -> None:
    """See that the documents of an imported bundle are those that its seal vouched for.

    Raises:
        FailedError: Some are lost or damaged.
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
    """Read an ``approvals.jsonl`` of ours: a copy that the seal vouched for.

    Raises:
        TrustError: Its lines break the format although they are sealed.
    """
    try:
        with path.open("rb") as lines:
            return ApprovalSet.from_lines(read_bounded(lines))
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        said = " ".join(str(error).split())[:300]
        raise TrustError(reason=f"approvals {path}: {said}") from error


def require_newest_import(run: RunContext) -> ImportRecord:
    """Return the newest finished import; its documents are as sealed.

    Raises:
        UsageError: Nothing was imported yet.
        FailedError: Its documents are lost or damaged.
    """
    record = run.imports.newest_done()
    if record is None:
        raise UsageError(
            reason="nothing was imported on this side yet, so there is no metadata",
            remedy="Import a bundle first.",
        )
    require_documents(record)
    return record
