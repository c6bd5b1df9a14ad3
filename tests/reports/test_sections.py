"""Each table is made once, from the plan, the audit or the outcome, and loses nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from tasks.approvals.apply import Failure
from tasks.approvals.model import Action, Approval, Decline
from tasks.approvals.plan_model import ApprovalPlan, Conflict, PlanCounts, PlannedAction, Waiting
from tasks.approvals.reasons import Reason
from tasks.bundle.brings import BroughtUpdate
from tasks.bundle.faults import Faults
from tasks.hosts.paths import HostPath, Platform
from tasks.metadata.wsusutil import Judgement, Signal
from tasks.reports.conflicts import conflict_lines, conflicts_csv, conflicts_section
from tasks.reports.model import ApprovalLine, ApprovalOutcome, CommandReport, approval_lines
from tasks.reports.sections import (
    brought_section,
    faults_section,
    judgement_section,
    plan_section,
    request_cell,
)
from tasks.reports.summary import all_sections, attention, missing_section, next_step
from tests.reports import examples
from tests.reports.examples import guid, missing_file


def brought(number: int, size: int, title: str = "") -> BroughtUpdate:
    return BroughtUpdate(
        update_id=guid(number), revision=5, title=title, kb="KB1", severity="Critical",
        classification="Security Updates", products=("Windows 11",), cves=(), cve_count=0,
        supersedes=(), supersedes_count=0, files=2, size_bytes=size, is_new=True,
        origin="microsoft",
    )  # fmt: skip


def test_what_a_bundle_brings_is_sorted_by_size() -> None:
    section = brought_section([brought(1, 10, "small"), brought(2, 99, "large"), brought(3, 50)])

    assert [row[0] for row in section.rows] == ["large", f"{guid(3)} revision 5", "small"]
    assert section.facts[0].value == 3


def test_faults_on_the_media_are_all_listed_with_what_another_copy_made_good() -> None:
    faults = Faults()
    faults.missing(HostPath("volume-001/content/AB/x.cab", Platform.POSIX))
    one = Faults()
    one.size(HostPath("volume-001/SHA1SUMS", Platform.POSIX), 5, 6)
    faults.merge(one, recovered=True)

    section = faults_section(faults)

    assert section.rows == (
        ("missing", "volume-001/content/AB/x.cab", "a file", "nothing"),
        ("another size, taken from another copy", "volume-001/SHA1SUMS", "5 bytes", "6 bytes"),
    )


def test_a_plan_lists_groups_then_actions_in_their_order() -> None:
    group = ("All Computers", "Servers")
    deadline = datetime(2041, 5, 1, 3, tzinfo=UTC)
    wanted = Approval(
        update_id=guid(1), revision=2, group=group, action=Action.INSTALL, deadline=deadline
    )
    plan = ApprovalPlan(
        groups=(group,),
        actions=(
            PlannedAction.of_approval(wanted, "approve", "add", replaces=None),
            PlannedAction(operation="decline", change="decline", update_id=guid(2), revision=1),
        ),
        parked=(), held=(), kept=(), in_place=7,
        counts=PlanCounts(removals=0, declines=1, undeclines=0, uninstalls=0, lost=0, last=0),
        limits_exceeded=("too many",),
    )  # fmt: skip

    section = plan_section(plan, {guid(1): "A title"}, digest="ab" * 32)

    assert section.rows == (
        ("make target group", "", "All Computers / Servers", "", ""),
        ("approve", "A title", "All Computers / Servers", "Install", "2041-05-01T03:00:00Z"),
        ("decline", f"{guid(2)} revision 1", "", "Decline", ""),
    )
    assert section.note == "too many"
    assert section.facts[-1].value == "ab" * 32
    # Nobody is shown what to confirm where nothing has to be.
    assert "--confirm" not in str(plan_section(plan, {}))


def test_a_judgement_names_every_signal_and_who_lied() -> None:
    signals = (Signal("exit code", good=True, detail="exit code 0"),
               Signal("package", good=False, detail="the package is empty"),
               Signal("service", good=True, detail="WsusService is Running"))  # fmt: skip

    section = judgement_section(Judgement("export", signals, contradicted=("exit code",)))

    assert [row[:2] for row in section.rows] == [
        ("exit code", "yes, and is wrong"), ("package", "no"), ("service", "yes"),
    ]  # fmt: skip


def test_an_exit_code_that_stands_alone_is_not_said_to_speak_for_success() -> None:
    signals = (Signal("exit code", good=False, detail="exit code 1"),
               Signal("package", good=True, detail="whole, 12 revisions"))  # fmt: skip

    section = judgement_section(Judgement("export", signals, contradicted=("exit code",)))

    assert [row[:2] for row in section.rows] == [("exit code", "no"), ("package", "yes")]


def test_decisions_that_a_local_one_overrules_stand_side_by_side() -> None:
    group = ("All Computers", "Servers")
    ours = Approval(update_id=guid(1), revision=2, group=group, action=Action.INSTALL)
    theirs = replace(ours, deadline=datetime(2041, 5, 1, 3, tzinfo=UTC))
    conflicts = (
        Conflict(
            overruled=Waiting.of_approval(theirs, Reason.LOCALLY_CHANGED, "approval"),
            last=(ours,),
            incoming=(theirs,),
            present=(Decline(update_id=guid(1), revision=2),),
            winner="here",
        ),
        Conflict(
            overruled=Waiting("decline", Reason.LOCALLY_APPROVED, guid(2), 1),
            last=(),
            incoming=(Decline(update_id=guid(2), revision=1),),
            present=(),
            winner="here",
        ),
    )
    lines = conflict_lines(conflicts, {guid(1): "A title"})

    assert conflicts_section(lines).rows == (
        (
            *("A title", "All Computers / Servers", "Install (revision 2)"),
            *("Install by 2041-05-01T03:00:00Z (revision 2)", "declined", "this side"),
            Reason.LOCALLY_CHANGED.sentence,
        ),
        (
            *(f"{guid(2)} revision 1", "", "nothing", "declined", "nothing", "this side"),
            Reason.LOCALLY_APPROVED.sentence,
        ),
    )
    (heading, first, _, _) = conflicts_csv(lines).decode("utf-8-sig").split("\r\n")
    assert heading.startswith("update_id,revision,title,group,subject,last_applied,incoming,")
    assert ",declined,here,locally-changed," in first


def test_a_long_plan_is_cut_and_what_takes_something_away_stays() -> None:
    removal = PlannedAction("remove", "remove", guid(9), 1, ("All Computers",), Action.INSTALL)
    approves = [
        PlannedAction("approve", "add", guid(number), 1, ("All Computers",), Action.INSTALL)
        for number in range(10_000)
    ]
    plan = ApprovalPlan(
        groups=(), actions=(*approves, removal), parked=(), held=(), kept=(), in_place=0,
        counts=PlanCounts(removals=1, declines=0, undeclines=0, uninstalls=0, lost=0, last=1),
    )  # fmt: skip

    section = plan_section(plan, {})

    assert section.note == "The first 10,000 of 10,001 are listed."
    assert len(section.rows) == 10_000
    assert section.rows[0][0] == "remove approval"


def test_an_applied_removal_does_not_read_as_an_approval() -> None:
    line = ApprovalLine(update_id=guid(1), revision=1, group=("All Computers",), action="Install")
    taken_back = ApprovalLine(update_id=guid(1), revision=1)

    assert request_cell(line) == "Install"
    assert request_cell(replace(line, reason="removed")) == "Remove Install"
    assert request_cell(taken_back) == "Decline"
    assert request_cell(replace(taken_back, reason="decline-taken-back")) == "Undecline"
    accepted = replace(taken_back, reason="licence-accepted")
    assert request_cell(accepted) == "Accept licence terms"


def test_what_failed_is_called_by_what_was_tried() -> None:
    group = Failure("is taken", group=("All Computers", "Ring"))
    action = PlannedAction(
        operation="remove",
        change="remove",
        update_id=guid(1),
        revision=1,
        group=("All Computers",),
        action=Action.INSTALL,
    )
    removal = Failure("a replica", action=action)
    terms = ApprovalLine(update_id=guid(2), revision=1, reason="no", operation="accept-license")
    lines = (*approval_lines(each.as_json() for each in (group, removal)), terms)
    report = CommandReport(command="import", site="a", approvals=ApprovalOutcome(failed=lines))

    (section,) = all_sections(report)
    assert [(row[0], row[2]) for row in section.rows] == [
        ("(the target group itself)", "Make target group"),
        (f"{guid(1)} revision 1", "Remove Install"),
        (f"{guid(2)} revision 1", "Accept licence terms"),
    ]
    shown = report.as_json()["approvals"]["failed"]
    assert all("operation" not in line for line in shown)
    assert shown[0]["update_id"] is None


def test_missing_content_counts_files_and_revisions_without_known_files() -> None:
    section = missing_section(
        [missing_file(1), missing_file(2, file=missing_file(1).file), missing_file(3, file=None)],
        unapproved=9,
    )

    assert {fact.label: fact.value for fact in section.facts} == {
        "Files": 2,
        "Updates": 3,
        "Size, where known": missing_file(2).size_bytes,
        "Other updates without all files (normal)": 9,
    }
    assert len(section.rows) == 3


def test_what_needs_a_person_comes_first() -> None:
    keys = [section.key for section in all_sections(examples.flagged_report())]

    assert keys == [
        "findings", "missing", "approvals-held", "approvals-parked", "brings", "approvals-applied",
    ]  # fmt: skip


def test_a_flagged_run_says_why() -> None:
    assert attention(examples.flagged_report()) == (
        "3 content files are missing.",
        "2 approvals are parked.",
        "2 decisions are held.",
        "1 finding needs a look.",
    )
    assert attention(CommandReport(command="import", site="a")) == ()


def test_what_is_held_is_told_from_what_a_person_has_acknowledged() -> None:
    report = examples.flagged_report()
    assert report.approvals is not None
    first, *others = report.approvals.held
    seen = replace(first, is_acknowledged=True)
    approvals = report.approvals.model_copy(update={"held": (seen, *others)})
    reasons = attention(report.model_copy(update={"approvals": approvals}))
    assert "1 decision is held, besides those acknowledged." in reasons


def test_there_is_always_a_next_step() -> None:
    assert next_step(examples.refused_report()).startswith("Do not use this medium")
    assert "shopping-list.json" in next_step(examples.flagged_report())
    for command in ("export", "verify", "import", "accept", "audit", "status", "keygen"):
        assert next_step(CommandReport(command=command, site="a")).endswith(".")
        assert next_step(CommandReport(command=command, site="a", exit_code=2)).endswith(".")
