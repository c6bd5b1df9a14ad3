"""The next bundle of the chain is found on the medium; what is old, torn or foreign is not it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.bundle.header import Header
from tasks.bundle.layout import HEADER
from tasks.errors import PathMissingError, UsageError
from tasks.importing.next_bundle import find_next_bundle, require_found
from tasks.ledger.exports import ExportRecord
from tasks.ledger.imports import ImportRecord
from tasks.names import Mode
from tasks.refusals import ChainError, MalwareError
from tasks.run.context import RunContext
from tests.support.bundles import CHAIN, NOW, Workshop, fill_content
from tests.support.runs import site_with


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path / "workshop")
    fill_content(made.content, 2)
    return made


@pytest.fixture
def run(disconnected: RunContext, workshop: Workshop) -> RunContext:
    """A run of the disconnected side whose medium is the workshop's."""
    trusted = disconnected.site.trust.trusted_keys[0]
    shutil.copy(workshop.root / "keys" / "signing.pub", trusted)
    return replace(disconnected, site=site_with(disconnected.site, "media", path=workshop.medium))


def imported(run: RunContext, workshop: Workshop, header: Header, *, is_done: bool = True) -> None:
    """Have the ledger remember the import of a bundle."""
    run.ledger.adopt_chain(CHAIN)
    digest = workshop.trusted(header.sequence).digest
    record = ImportRecord(
        header_digest=digest, sequence=header.sequence, status="begun", folder=Path("x"),
        created=NOW, begun=NOW, done=None, outcome=None,
    )  # fmt: skip
    run.imports.begin(record)
    if is_done:
        run.imports.finish(digest, outcome="complete", now=NOW)


def found(run: RunContext) -> str | None:
    bundle = find_next_bundle(run).bundle
    return None if bundle is None else bundle.name


def test_the_first_bundle_is_found_beside_what_is_none(run: RunContext, workshop: Workshop) -> None:
    workshop.export()
    for name in ("beta-7", "alpha-x", "alpha-02", "System Volume Information"):
        (workshop.medium / name).mkdir()
    (workshop.medium / "alpha-9").touch()

    assert found(run) == "alpha-1"


def test_what_was_imported_is_not_new(run: RunContext, workshop: Workshop) -> None:
    first = workshop.export()
    imported(run, workshop, first)
    assert found(run) is None

    workshop.export(2, previous=first)
    assert found(run) == "alpha-2"


def test_an_import_that_was_not_finished_is_gone_on_with(
    run: RunContext, workshop: Workshop
) -> None:
    imported(run, workshop, workshop.export(), is_done=False)

    assert found(run) == "alpha-1"


def test_a_bundle_that_is_still_being_copied_is_passed_over(
    run: RunContext, workshop: Workshop
) -> None:
    workshop.export()
    (workshop.volume() / HEADER).unlink()

    assert found(run) is None
    assert run.report.lines[0].startswith("alpha-1 is passed over: no header.json is in it")


def test_several_that_fit_are_named_and_none_is_taken(run: RunContext, workshop: Workshop) -> None:
    first = workshop.export()
    imported(run, workshop, first)
    second = workshop.export(2, previous=first)
    packed = workshop.pack(3, baseline=workshop.manifest(1))
    workshop.publish(workshop.header(packed, 3, parent=second.reference, base=first.reference))

    with pytest.raises(UsageError, match=r"several bundles .* fit the chain: alpha-2, alpha-3"):
        find_next_bundle(run)


def test_of_several_one_that_the_scanner_does_not_call_clean_is_not_passed_over(
    run: RunContext, workshop: Workshop, tmp_path: Path
) -> None:
    first = workshop.export()
    imported(run, workshop, first)
    second = workshop.export(2, previous=first)
    workshop.export(3, previous=second)
    scanner = tmp_path / "scanner"
    scanner.write_text('#!/bin/sh\ncase "$1" in *alpha-3) echo Eicar FOUND; exit 1;; esac\n')
    scanner.chmod(0o755)
    scanned = replace(run, site=site_with(run.site, "media", scan_command=(str(scanner),)))

    with pytest.raises(MalwareError, match="Eicar FOUND"):
        find_next_bundle(scanned)


def test_of_several_the_one_that_fits_is_taken(run: RunContext, workshop: Workshop) -> None:
    first = workshop.export()
    imported(run, workshop, first)
    second = workshop.export(2, previous=first)
    workshop.export(3, previous=second)  # its base was never imported

    assert found(run) == "alpha-2"


def test_where_none_of_several_fits_the_reason_is_said(run: RunContext, workshop: Workshop) -> None:
    first = workshop.export()
    second = workshop.export(2, previous=first)
    workshop.export(3, previous=second)
    shutil.rmtree(workshop.bundle(1))

    with pytest.raises(ChainError, match="bundle 1, which was never imported"):
        find_next_bundle(run)


def test_no_bundle_and_no_medium_are_the_same_to_a_person(
    run: RunContext, workshop: Workshop
) -> None:
    with pytest.raises(PathMissingError, match="a new bundle of the chain is not there") as caught:
        require_found(find_next_bundle(run))
    assert caught.value.exit_code == 64
    shutil.rmtree(workshop.medium)

    assert found(run) is None


def test_the_staging_side_takes_the_newest_sealed_one_until_its_receipt_comes(
    staging: RunContext, tmp_path: Path, workshop: Workshop
) -> None:
    assert found(staging) is None
    workshop.export()
    digest = workshop.trusted().digest
    staging.exports.reserve(
        ExportRecord(
            sequence=1, status="reserved", mode=Mode.INCREMENTAL, bundle=workshop.bundle(),
            folder=tmp_path, created=NOW, base_digest=None, parent_digest=None, header_digest=None,
            fingerprint=None, sealed=None, receipt=None, accepted=None,
        )
    )  # fmt: skip
    staging.exports.commit(1, header_digest=digest, fingerprint="x")
    staging.exports.mark_sealed(1, now=NOW)
    assert found(staging) == "alpha-1"

    staging.exports.accept(1, receipt=None, now=NOW + timedelta(days=1))
    assert found(staging) is None
