"""What WSUS says of the content of approved updates is shown where it disagrees with the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.approvals.capture import ApprovedUpdate, ServerDecisions
from tasks.approvals.model import ApprovalSet
from tasks.metadata.audit import MissingFile, MissingReason
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import index_package
from tasks.server.wsus_states import states_section
from tests.metadata.facts import server_facts
from tests.metadata.writing import Update, guid, write_package


@pytest.fixture
def index(tmp_path: Path) -> PackageIndex:
    updates = [Update(number, title=f"update {number}") for number in (1, 2, 3)]
    index_package(write_package(tmp_path / "p", updates), tmp_path / "i")
    return PackageIndex(tmp_path / "i")


def _decisions(*states: str) -> ServerDecisions:
    updates = (
        ApprovedUpdate(
            update_id=guid(number), revision=1, state=state, license_required=False,
            license_accepted=False, superseded=False, expired=False, latest=True,
        )
        for number, state in enumerate(states, start=1)
    )  # fmt: skip
    return ServerDecisions(ApprovalSet(), {update.id: update for update in updates})


def _missing(number: int) -> MissingFile:
    return MissingFile(
        update_id=guid(number), revision=1, title="", kb="", file=None, size_bytes=None,
        reason=MissingReason.VANISHED, reason_text="",
    )  # fmt: skip


def test_updates_that_wsus_and_the_files_show_differently_are_listed(index: PackageIndex) -> None:
    decisions = _decisions("Ready", "Failed", "Failed")
    with index:
        section = states_section(index, server_facts(), decisions, [_missing(1), _missing(2)])
    assert section is not None
    assert section.rows == (
        ("update 1", "Ready", "files are missing"),
        ("update 3", "Failed", "all files are in place"),
    )
    values = {fact.label: fact.value for fact in section.facts}
    assert values["updates that WSUS calls Failed"] == 2
    assert values["updates that disagree"] == 2


def test_where_both_agree_that_all_is_there_nothing_is_said(index: PackageIndex) -> None:
    with index:
        assert states_section(index, server_facts(), _decisions("Ready", "Ready"), []) is None
