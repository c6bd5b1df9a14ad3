"""A sequence number never gets other bytes, whatever power losses took from the state folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.bundle.header import Header
from tasks.bundle.pack import Packed
from tasks.content.names import Blake3
from tasks.errors import FailedError
from tasks.exporting.draft import Draft
from tasks.exporting.export_bundle import seal
from tasks.hosts.host import Outcome
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.names import Mode
from tasks.run.context import RunContext
from tasks.run.stored_documents import PAYLOAD
from tests.metadata.facts import server_facts
from tests.support.bundles import CHAIN, Workshop, fill_content
from tests.support.runs import reserved

FACTS = server_facts()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path / "workshop")
    fill_content(made.content, 5)
    return made


@pytest.fixture
def packed(workshop: Workshop) -> Packed:
    return workshop.pack(1)


def draft_of(run: RunContext, workshop: Workshop) -> Draft:
    if run.exports.by_sequence(1) is None:
        run.exports.reserve(reserved(1, workshop.folder(1)))
    return Draft(
        sequence=1,
        folder=workshop.folder(1),
        bundle=workshop.bundle(1),
        mode=Mode.INCREMENTAL,
        chain=CHAIN,
        parent=None,
        base=None,
        voided=(),
        fingerprint="f",
    )


class NotingHost(LocalHost):
    """This machine, with a note of every file that was made durable."""

    def __init__(self) -> None:
        super().__init__()
        self.flushed: set[str] = set()

    def flush_files(self, paths: Sequence[HostPath]) -> Outcome[HostPath]:
        self.flushed.update(path.text for path in paths)
        return super().flush_files(paths)


def test_what_a_committed_bundle_is_made_of_is_durable_before_it_is_committed(
    staging: RunContext, workshop: Workshop, packed: Packed
) -> None:
    media = NotingHost()
    lacking: list[set[str]] = []

    def look(statement: str) -> None:
        if "status='committed'" in statement:
            kept = {str(path) for path in workshop.folder(1).iterdir() if path.is_file()}
            lacking.append(kept - media.flushed - {str(workshop.folder(1) / PAYLOAD)})
            assert not (workshop.volume(1) / "header.json").exists()

    draft = draft_of(staging, workshop)
    staging.ledger.connection.set_trace_callback(look)
    digest = seal(replace(staging, media=media), draft, packed, FACTS)

    assert lacking == [set()]
    payload = (workshop.folder(1) / PAYLOAD).read_bytes()
    assert Header.model_validate_json(payload).digest == digest


def test_a_committed_header_that_was_lost_is_given_up_and_never_made_anew(
    staging: RunContext, workshop: Workshop, packed: Packed
) -> None:
    digest = seal(staging, draft_of(staging, workshop), packed, FACTS)
    staging.ledger.connection.execute("UPDATE export SET status='committed'")
    (workshop.folder(1) / PAYLOAD).unlink()

    with pytest.raises(FailedError, match="number is given up"):
        seal(staging, draft_of(staging, workshop), packed, FACTS)
    record = staging.exports.by_sequence(1)
    assert record is not None
    assert (record.status, record.header_digest) == ("void", digest)


def test_the_ledger_binds_a_number_to_one_header(
    staging: RunContext, workshop: Workshop, packed: Packed
) -> None:
    digest = seal(staging, draft_of(staging, workshop), packed, FACTS)
    for status in ("committed", "sealed", "void"):
        staging.ledger.connection.execute("UPDATE export SET status=?", (status,))
        with pytest.raises(ValueError, match="bound to another"):
            staging.exports.commit(1, header_digest=Blake3(bytes(32)), fingerprint="f")
    record = staging.exports.by_sequence(1)
    assert record is not None
    assert record.header_digest == digest


def test_a_committed_header_is_sealed_again_as_it_was(
    staging: RunContext, workshop: Workshop, packed: Packed
) -> None:
    digest = seal(staging, draft_of(staging, workshop), packed, FACTS)
    header = (workshop.volume(1) / "header.json").read_bytes()
    staging.ledger.connection.execute("UPDATE export SET status='committed'")
    (workshop.volume(1) / "header.json").unlink()

    again = draft_of(staging, workshop)
    assert seal(staging, again, packed, FACTS.model_copy(update={"update_count": 7})) == digest
    assert (workshop.volume(1) / "header.json").read_bytes() == header
    record = staging.exports.by_sequence(1)
    assert record is not None
    assert record.status == "sealed"
