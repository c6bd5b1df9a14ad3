"""Decisions of a person on a side in memory: what waits, since when, and what flags a run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tasks.approvals.model import Action, Approval
from tasks.approvals.rulings import RulingKind
from tasks.errors import UsageError
from tasks.importing.deciding import Given, decide, read_group, read_request
from tasks.ledger.rulings import StoredRulings
from tasks.run.report import ReportDraft
from tasks.run.waiting_report import read_waiting
from tests.approvals.building import SERVERS
from tests.importing.disconnected_side import DisconnectedSide
from tests.metadata.writing import File, Update, guid
from tests.support.bundles import NOW

FILE = File("a.cab", size=5)
PARKED = Approval(update_id=guid(1), revision=1, group=SERVERS, action=Action.INSTALL)


@pytest.fixture
def waiting(side: DisconnectedSide) -> DisconnectedSide:
    """A side with one parked approval, of an update with a KB whose file never came."""
    side.workshop.updates = [Update(1, title="One", kb="5031234", files=(FILE,))]
    side.import_(side.make_bundle(decided=[PARKED]))
    return side


def given(side: DisconnectedSide, kind: str | None, **changes: Any) -> None:
    values: dict[str, Any] = {
        "names": ("KB5031234",),
        "kind": kind,
        "reason": "because",
        "group": None,
        "until": None,
        "revoke": False,
    }
    request = read_request(Given(**(values | changes)), account="anna", now=NOW)
    decide(side.run.ledger, ReportDraft(), request, site_file=side.run.site.path, now=NOW)


def flags(side: DisconnectedSide) -> bool:
    return side.run.report.is_flagged


def test_a_parked_approval_is_listed_with_its_files_and_its_time(waiting: DisconnectedSide) -> None:
    later = NOW + timedelta(days=40)

    report = read_waiting("alpha", "parked", clock=lambda: later)

    assert report.approvals is not None
    (line,) = report.as_json()["approvals"]["parked"]
    assert (line["title"], line["kb"], line["group"]) == ("One", "KB5031234", list(SERVERS))
    assert [file["file"] for file in line["files"]] == [FILE.content_name]
    assert line["since"] == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    assert "decide" in line["next_step"]
    assert read_waiting("alpha", "held", clock=lambda: later).approvals.held == ()  # type: ignore[union-attr]


def test_an_acknowledged_parked_approval_and_its_missing_file_flag_no_run(
    waiting: DisconnectedSide,
) -> None:
    assert flags(waiting)
    given(waiting, "acknowledge")

    waiting.import_(waiting.workshop.bundle(1))

    assert not flags(waiting)
    assert [line.update_id for line in waiting.run.report.notes["approvals"].parked] == [guid(1)]
    assert waiting.run.report.notes["missing"], "it is listed all the same"


def test_a_rejected_parked_approval_asks_for_no_content_any_more(waiting: DisconnectedSide) -> None:
    given(waiting, "reject")

    waiting.import_(waiting.workshop.bundle(1))

    notes = waiting.run.report.notes
    assert (notes["approvals"].parked, notes["missing"]) == ((), ())
    assert [line.reason for line in notes["approvals"].held] == ["rejected"]
    assert not flags(waiting)


def test_a_decision_that_cannot_help_is_refused(waiting: DisconnectedSide) -> None:
    for kind in ("apply", "accept-licence"):
        with pytest.raises(UsageError, match="content-missing"):
            given(waiting, kind)
    assert StoredRulings(waiting.run.ledger).all() == []


def test_a_later_decision_replaces_an_earlier_one_and_both_are_kept(
    waiting: DisconnectedSide,
) -> None:
    stored = StoredRulings(waiting.run.ledger)
    given(waiting, "acknowledge", until="2031-12-31")
    given(waiting, "reject", names=(guid(1).upper(),))

    assert [ruling.kind for ruling in stored.in_force(NOW)] == [RulingKind.REJECT]
    first, second = stored.all()
    assert (first.revoked, first.revoked_reason, second.account) == (NOW, "replaced", "anna")

    given(waiting, None, revoke=True, reason="a mistake")
    assert stored.in_force(NOW) == []
    assert stored.all()[1].revoked_reason == "a mistake"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Servers", SERVERS),
        ("All Computers / Servers", SERVERS),
        ("All Computers", ("All Computers",)),
        ("Servers/Test", (*SERVERS, "Test")),
        ("A//B", ("All Computers", "A/B")),
        ("Unassigned Computers", ("All Computers", "Unassigned Computers")),
    ],
)
def test_a_group_is_read_as_it_is_shown_and_as_the_site_file_has_it(
    text: str, path: tuple[str, ...]
) -> None:
    assert read_group(text) == path


@pytest.mark.parametrize("text", ["", "Servers/", "/Servers"])
def test_a_path_with_an_empty_name_is_no_group(text: str) -> None:
    with pytest.raises(UsageError, match="--group"):
        read_group(text)
