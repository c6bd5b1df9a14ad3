"""Documents of a bundle in the state folder: as its header binds them, lost, or damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.bundle.header import Header
from tasks.bundle.layout import APPROVALS, MANIFEST
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.content.names import Blake3
from tasks.errors import FailedError, UsageError
from tasks.ledger.imports import ImportRecord
from tasks.metadata.index import INDEX, index_package
from tasks.run.context import RunContext
from tasks.run.stored_documents import (
    PAYLOAD,
    damaged_documents,
    is_kept_text,
    matches_binding,
    read_header_copy,
    require_documents,
    require_newest_import,
)
from tests.metadata.writing import Update, write_package
from tests.support.bundles import NOW, Workshop, fill_content


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path / "workshop")
    fill_content(made.content, 3)
    return made


@pytest.fixture
def header(workshop: Workshop) -> Header:
    """The header of a bundle whose folder holds all that is asked of it later."""
    header = workshop.export()
    folder = workshop.folder(1)
    (folder / PAYLOAD).write_bytes(header.payload())
    index_package(write_package(folder / "package", [Update(1)]), folder / INDEX)
    return header


@pytest.fixture
def record(workshop: Workshop, header: Header) -> ImportRecord:
    """The import of that bundle."""
    return ImportRecord(
        header_digest=header.digest,
        sequence=1,
        status="begun",
        folder=workshop.folder(1),
        created=NOW,
        begun=NOW,
        done=None,
        outcome=None,
    )


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def _put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE = [_remove, _empty, _flip, _put_folder]


def test_documents_that_are_as_sealed_are_used(
    disconnected: RunContext, header: Header, record: ImportRecord
) -> None:
    require_documents(record)
    assert read_header_copy(record.folder) == header
    disconnected.imports.begin(record)
    with pytest.raises(UsageError, match="nothing was imported"):
        require_newest_import(disconnected)
    disconnected.imports.finish(record.header_digest, outcome="complete", now=NOW)
    assert require_newest_import(disconnected).header_digest == header.digest


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [MANIFEST, APPROVALS, INDEX, PAYLOAD])
def test_a_document_that_is_lost_or_damaged_is_named_with_its_remedy(
    disconnected: RunContext, record: ImportRecord, name: str, damage: Callable[[Path], None]
) -> None:
    damage(record.folder / name)
    disconnected.imports.begin(record)
    disconnected.imports.finish(record.header_digest, outcome="complete", now=NOW)
    with pytest.raises(FailedError) as caught:
        require_newest_import(disconnected)
    assert f"lost or damaged: {name} in {record.folder}" in caught.value.message
    assert "Import bundle 1 again" in caught.value.next_step


@pytest.mark.parametrize("name", [MANIFEST, APPROVALS])
def test_a_sealed_document_that_was_cut_off_is_damaged(
    header: Header, record: ImportRecord, name: str
) -> None:
    _cut_off(record.folder / name)
    assert list(damaged_documents(record.folder, header)) == [name]


def test_all_that_is_damaged_is_named(header: Header, record: ImportRecord) -> None:
    for name in (MANIFEST, APPROVALS, INDEX):
        _empty(record.folder / name)
    assert list(damaged_documents(record.folder, header)) == [MANIFEST, APPROVALS, INDEX]


def test_another_bundles_header_does_not_speak_for_this_one(
    record: ImportRecord, header: Header
) -> None:
    other = header.model_copy(update={"sequence": 2})
    (record.folder / PAYLOAD).write_bytes(other.payload())
    assert read_header_copy(record.folder) == other
    with pytest.raises(FailedError, match=PAYLOAD):
        require_documents(record)
    with pytest.raises(FailedError, match=PAYLOAD):
        require_documents(record.model_copy(update={"header_digest": Blake3(bytes(32))}))


def test_of_a_header_no_more_is_read_than_a_header_may_have(
    record: ImportRecord, header: Header
) -> None:
    content = header.payload() + b" " * HEADER_LIMIT_BYTES
    (record.folder / PAYLOAD).write_bytes(content + b"no json")
    assert read_header_copy(record.folder) == header


def test_a_binding_is_of_the_bytes(header: Header, record: ImportRecord) -> None:
    manifest = record.folder / MANIFEST
    assert matches_binding(manifest, header.manifest)
    assert not matches_binding(manifest, header.approvals)
    assert not matches_binding(record.folder, header.manifest)


@pytest.mark.parametrize(
    ("content", "is_kept"), [(b"text", True), (b"tex", False), (b"text ", False), (None, False)]
)
def test_a_small_file_says_exactly_what_is_expected_or_is_no_proof(
    tmp_path: Path, content: bytes | None, is_kept: bool
) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    assert is_kept_text(path, b"text") == is_kept
