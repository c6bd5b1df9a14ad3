"""What of a package says something about wsusutil, and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.errors import PackageLimitError
from tasks.exporting.draft import Draft
from tasks.exporting.export_package import take_package
from tasks.ledger.steps import Attempt
from tasks.names import Mode
from tasks.run.context import RunContext
from tests.metadata import writing
from tests.support.bundles import CHAIN


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(
        sequence=1,
        folder=tmp_path / "draft",
        bundle=tmp_path / "media" / "alpha-1",
        mode=Mode.INCREMENTAL,
        chain=CHAIN,
        parent=None,
        base=None,
        voided=(),
        fingerprint="f",
    )


def attempt(package: Path) -> Attempt:
    return Attempt(verb="export", package=str(package), log="log", job="job")


def test_a_package_above_a_limit_is_no_fault_of_wsusutil(
    staging: RunContext, draft: Draft, tmp_path: Path
) -> None:
    languages = '<Language ShortName="en" Enabled="1"/>' * 1_001
    text = writing.document(f"<Languages>{languages}</Languages>")
    package = writing.write(tmp_path / "export.xml.gz", text)

    with pytest.raises(PackageLimitError) as caught:
        take_package(staging, draft, attempt(package))

    assert "more than 1000 Language elements" in caught.value.message
    assert "wsusutil" not in caught.value.message


def test_a_damaged_package_speaks_against_wsusutil(
    staging: RunContext, draft: Draft, tmp_path: Path
) -> None:
    package = writing.write(tmp_path / "export.xml.gz", writing.package_xml([])[:-5])

    signal, summary = take_package(staging, draft, attempt(package))

    assert summary is None
    assert "does not reach </ExportPackage>" in signal.problem
