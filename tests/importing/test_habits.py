"""The habits of real sites go through two months, and end unflagged when nothing needs a person."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.group_rules import GroupRules
from tasks.approvals.model import ALL_COMPUTERS, Action, Approval, GroupPath
from tasks.approvals.reasons import Reason
from tasks.bundle.header import Header
from tasks.content.content_listing import ContentListing
from tasks.importing import approval_choice
from tasks.importing.content_audit import audit_current
from tasks.importing.local_updates import find_local_updates
from tasks.ledger.imports import RememberedDecision
from tasks.metadata.audit import MissingReason
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import index_package
from tasks.reports.model import ApprovalOutcome
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.site.reading import read_site
from tasks.site.settings import GroupsSection, PolicySection
from tests.approvals.building import CLIENTS, SERVERS, decisions
from tests.importing.disconnected_side import DisconnectedSide
from tests.metadata.writing import File, Update, guid, write_package
from tests.support.bundles import write_content

RING: GroupPath = ("All Computers", "Ring 0")


def apply_parked(side: DisconnectedSide, content: ContentListing) -> None:
    """Plan and apply, as an audit does."""
    plan = approval_choice.plan_parked(side.run, side.facts, content)
    approval_choice.apply_parked(side.run, plan)


def install(number: int, group: GroupPath = SERVERS) -> Approval:
    return Approval(update_id=guid(number), revision=1, group=group, action=Action.INSTALL)


def follow(side: DisconnectedSide, *, groups: GroupRules | None = None, **policy: object) -> None:
    """Give the site file other rules."""
    site = side.run.site
    side.run.site = site.model_copy(
        update={
            "groups": GroupsSection(**(groups or GroupRules()).model_dump()),
            "policy": PolicySection.model_validate(policy, strict=False),
        }
    )


class Months:
    """Months of one site: each brings one more update, approved for the groups of staging."""

    def __init__(self, side: DisconnectedSide, *groups: GroupPath) -> None:
        self.side = side
        self.groups = groups
        self.parent: Header | None = None

    def next(self) -> ReportDraft:
        """Import the next month's bundle; gives its report."""
        side, month = self.side, 1 + (self.parent.sequence if self.parent else 0)
        content = f"month {month}".encode()
        name = write_content(side.workshop.content, content)
        file = File(content.decode(), size=len(content))
        assert file.sha1 == name.digest.raw
        side.workshop.updates = [*side.workshop.updates, Update(month, files=(file,))]
        decided = [
            install(number, group) for number in range(1, month + 1) for group in self.groups
        ]
        bundle = side.make_bundle(month, decided=list(decided), parent=self.parent)
        self.parent = side.import_(bundle).header
        return side.run.report

    def present(self) -> set[tuple[str, GroupPath]]:
        return {(each.update_id, each.group) for each in self.side.present.approvals}


def outcome(report: ReportDraft) -> ApprovalOutcome:
    return report.notes["approvals"]


def months_approved(count: int, *groups: GroupPath) -> set[tuple[str, GroupPath]]:
    return {(guid(number), group) for number in range(1, count + 1) for group in groups}


def test_approvals_for_all_computers_are_held_and_the_report_names_the_key(
    side: DisconnectedSide,
) -> None:
    months = Months(side, ALL_COMPUTERS)
    for month in (1, 2):
        report = months.next()
        assert report.is_flagged
        assert len(outcome(report).held) == month
        (sentence,) = report.notices
        assert "[groups] all_computers" in sentence
    assert months.present() == set()

    # With the key set, what was held is applied by the next audit, and the next month is quiet.
    follow(side, groups=GroupRules(all_computers="apply"))
    side.run.report = ReportDraft()
    apply_parked(side, side.list_content())
    assert not side.run.report.is_flagged
    assert months.present() == months_approved(2, ALL_COMPUTERS)
    assert not months.next().is_flagged
    assert months.present() == months_approved(3, ALL_COMPUTERS)


@pytest.mark.parametrize("rule", ["apply", "Ring 0"])
def test_a_site_that_lets_all_computers_through_ends_both_months_unflagged(
    side: DisconnectedSide, rule: str
) -> None:
    follow(side, groups=GroupRules(all_computers=rule))
    months = Months(side, ALL_COMPUTERS)
    assert not months.next().is_flagged
    assert not months.next().is_flagged
    assert months.present() == months_approved(2, ALL_COMPUTERS if rule == "apply" else RING)


def test_a_site_with_a_mapping_gets_the_approvals_for_its_own_groups(
    side: DisconnectedSide,
) -> None:
    follow(side, groups=GroupRules(map={"Servers": "Ring 0", "Clients": "", "Servres": "Ring 0"}))
    months = Months(side, SERVERS, CLIENTS)
    first = months.next()
    assert "target group Ring 0 was made and has no computers: memberships do not cross" in (
        first.lines
    )
    assert "[groups.map] Servres: the staging server has no such group" in first.lines
    second = months.next()
    assert months.present() == months_approved(2, RING)
    for report in (first, second):
        assert {line.reason for line in outcome(report).held} == {Reason.GROUP_LEFT_OUT}
        assert not report.is_flagged


def test_a_changed_mapping_moves_what_was_applied(side: DisconnectedSide) -> None:
    months = Months(side, SERVERS)
    months.next()
    follow(side, groups=GroupRules(map={"Servers": "Ring 0"}))
    report = months.next()
    assert months.present() == months_approved(2, RING)
    assert [line.reason for line in outcome(report).applied] == [None, None, "removed"]
    assert not report.is_flagged


@pytest.mark.parametrize("choice", ["none", "list"])
def test_a_site_that_approves_by_its_own_rules_gets_metadata_and_content_only(
    side: DisconnectedSide, choice: str
) -> None:
    follow(side, approvals=choice)
    months = Months(side, SERVERS, ALL_COMPUTERS)
    reports = [months.next(), months.next()]
    assert months.present() == set()
    for report in reports:
        assert not report.is_flagged
        assert outcome(report) == ApprovalOutcome()
        shown = {section.key: section for section in report.sections}
        assert ("plan" in shown) == ("would-wait" in shown) == (choice == "list")

    # The audit looks at the content of what the site itself approves.
    side.present = decisions(install(1))
    for file in list(side.list_content()):
        side.run.server.remove_tree(file.path)
    side.run.report = ReportDraft()
    content = side.list_content()
    apply_parked(side, content)
    audit_current(side.run, side.facts, content, every_update=False)
    assert {file.update_id for file in side.run.report.notes["missing"]} == {guid(1)}
    assert side.run.report.is_flagged
    assert months.present() == {(guid(1), SERVERS)}


def test_what_is_approved_here_and_never_was_on_staging_is_named(side: DisconnectedSide) -> None:
    file = File("staging has never had it", size=24)
    side.workshop.updates = [Update(50, title="approved here alone", files=(file,))]
    Months(side, SERVERS).next()
    side.present = decisions(*side.present.approvals, install(50))

    side.run.report = ReportDraft()
    audit_current(side.run, side.facts, side.list_content(), every_update=False)

    (missing,) = side.run.report.notes["missing"]
    assert (missing.update_id, missing.file) == (guid(50), file.content_name)
    assert missing.reason == MissingReason.NEVER_DOWNLOADED
    assert side.run.report.is_flagged


def test_approvals_taken_up_again_are_still_compared_with_what_was_applied(
    side: DisconnectedSide,
) -> None:
    months = Months(side, SERVERS)
    months.next()
    follow(side, approvals="none")
    months.next()
    assert months.present() == months_approved(1, SERVERS)
    follow(side, approvals="apply")
    months.groups = ()  # staging took everything back
    months.next()
    assert months.present() == set()


def publish_here(side: DisconnectedSide) -> None:
    """Have an administrator approve an update that was published on this server."""
    side.present = decisions(*side.present.approvals, install(900))
    side.known.add(install(900).id)
    side.updates = [
        {
            "kind": "update", "update_id": guid(900), "revision": 1, "state": "Ready",
            "license_required": False, "license_accepted": False, "superseded": False,
            "expired": False, "latest": True, "local": True,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("before", [lambda _: None, publish_here])
def test_updates_that_only_this_server_knows_are_left_alone(
    side: DisconnectedSide, before: Callable[[DisconnectedSide], None]
) -> None:
    before(side)
    months = Months(side, SERVERS)
    months.next()
    publish_here(side)
    report = months.next()
    assert not report.is_flagged
    assert report.notes["missing"] == ()
    shown = {section.key: section for section in report.sections}
    assert shown["local-updates"].rows == ((f"{guid(900)} revision 1", "published here", "Ready"),)
    receipt = report.notes["receipt"].read_bytes()
    assert guid(900).encode() not in receipt
    assert (guid(900), SERVERS) in months.present()


def test_an_update_of_ours_that_is_gone_from_staging_is_not_taken_for_a_local_one(
    side: DisconnectedSide, tmp_path: Path
) -> None:
    Months(side, SERVERS).next()
    index_package(write_package(tmp_path / "package", [Update(2)]), tmp_path / "index")
    present = ServerDecisions(decisions(install(1), install(2), install(900)), {})
    with PackageIndex(tmp_path / "index") as index:
        local = find_local_updates(index, side.run.imports, present)
        assert list(local) == [install(900).id]
        parked = RememberedDecision(
            state="parked", update_id=guid(900), revision=1, group_path="[]", body="{}", reason="x"
        )
        applied = list(side.run.imports.decisions("applied"))
        side.run.imports.remember([*applied, parked], now=side.run.clock())
        # Staging has decided about it, so the list of missing content names it.
        assert list(find_local_updates(index, side.run.imports, present)) == []


def test_the_rules_come_from_the_site_file(tmp_path: Path, disconnected: RunContext) -> None:
    path = disconnected.site.path
    text = path.read_text(encoding="utf-8").replace("[policy]", '[policy]\napprovals = "none"')
    text += '\n[groups]\nprefix = "HQ"\n[groups.map]\n"Servers" = "Ring 0"\n'
    path.write_text(text, encoding="utf-8")
    site = read_site(path)
    assert site.policy.approvals == "none"
    assert site.groups.target(SERVERS) == RING
