"""An export that no other side would take ends before anything is put on media."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import DEEPEST_GROUP, ApprovalSet
from tasks.bundle.header import PACKAGE_LIMIT_BYTES
from tasks.bundle.layout import APPROVALS
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.exporting.draft import Draft
from tasks.exporting.export_bundle import plan_content, write_approvals
from tasks.ledger.steps import ExportedPackage
from tasks.names import Mode
from tasks.refusals import SafetyError
from tasks.run.context import RunContext
from tests.support.bundles import CHAIN


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    return Draft(
        sequence=1,
        folder=tmp_path,
        bundle=tmp_path / "media" / "alpha-1",
        mode=Mode.INCREMENTAL,
        chain=CHAIN,
        parent=None,
        base=None,
        voided=(),
        fingerprint="f",
    )


def deep(levels: int) -> ServerDecisions:
    group = ("All Computers", *(f"Level {number}" for number in range(levels - 1)))
    return ServerDecisions(ApprovalSet.collect(groups=[group]), {})


def test_decisions_that_no_bundle_can_say_end_an_export(draft: Draft) -> None:
    write_approvals(draft, deep(DEEPEST_GROUP))
    with pytest.raises(SafetyError, match="decided more than a bundle can say") as refused:
        write_approvals(draft, deep(DEEPEST_GROUP + 1))
    assert "remove target groups" in refused.value.next_step


def test_a_package_that_no_bundle_can_carry_ends_an_export(
    staging: RunContext, draft: Draft
) -> None:
    (draft.folder / APPROVALS).touch()
    content = staging.server.path(str(draft.folder / "WsusContent"))
    with closing(ContentListing(draft.folder / "listing.sqlite", content).fill([])) as listing:
        package = ExportedPackage(
            path=draft.folder / "package",
            blake3=Blake3(bytes(32)),
            size_bytes=PACKAGE_LIMIT_BYTES + 1,
            revisions=1,
            counts=(1, 1, 1),
        )
        with pytest.raises(SafetyError, match=r"the metadata package has 8\.6 GB") as refused:
            plan_content(staging, draft, listing, package)
    assert "fewer products" in refused.value.next_step
    assert not draft.bundle.exists()
