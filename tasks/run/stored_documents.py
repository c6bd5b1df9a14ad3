"""The documents of a bundle that a state folder keeps: still those that its header binds, or not.

Both sides decide by them long after the bundle was made or imported. One that was cut off would say
that approvals were taken back, or that content is held nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tasks.bundle.header import Binding, Header
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.errors import FailedError, PackageError
from tasks.ledger.imports import ImportRecord
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.server.wsusutil_run import blake3_of_file

PAYLOAD = "header.payload.json"


def read_header_copy(folder: Path) -> Header | None:
    """The header of a bundle, from our folder of it; None when it is lost."""
    path = folder / PAYLOAD
    if not path.is_file():
        return None
    try:
        return Header.model_validate_json(path.read_bytes())
    except ValidationError:
        return None


def matches_binding(path: Path, binding: Binding) -> bool:
    """Whether a document of ours is the one that a header binds."""
    return path.is_file() and blake3_of_file(path) == binding.blake3


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
