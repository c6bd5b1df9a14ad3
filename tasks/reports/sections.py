"""The tables that steps put into a report, each made once and shown in every form: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tasks.approvals.plan_model import ApprovalPlan, PlannedAction, Waiting
from tasks.bundle.faults import MOST_LISTED, Fault, Faults, printable
from tasks.content.deletion import DeletePlan
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.metadata.bundle_contents import BroughtUpdate
from tasks.metadata.wsusutil import Judgement
from tasks.reports.model import (
    ApprovalLine,
    Cell,
    Column,
    Fact,
    Section,
    approval_lines,
)
from tasks.reports.text import count

MOST_ROWS = 10_000
"""Rows of one table. The document of the run has every decision; a page of more nobody reads."""

_CHANGES = {
    "license": "accept licence terms",
    "undecline": "undecline",
    "add": "approve",
    "change": "change approval",
    "block": "block",
    "remove": "remove approval",
    "decline": "decline",
}

# The operation, where the reason says that it was done.
_DONE = {
    "licence-accepted": "accept-license",
    "decline-taken-back": "undecline",
    "removed": "remove",
}

_FAULTS = {
    "missing": "missing",
    "size": "another size",
    "digest": "other bytes",
    "unreadable": "unreadable",
    "extra": "undeclared",
}


def judgement_section(judgement: Judgement) -> Section:
    """By which signals ``wsusutil`` was judged, and which of them lied."""
    return Section(
        key=f"wsusutil-{judgement.verb}",
        title=f"How wsusutil {judgement.verb} was judged",
        note="It succeeded only if all five signals speak for it.",
        columns=(
            Column(label="Signal", kind="short"),
            Column(label="Speaks for success", kind="short"),
            Column(label="What was seen"),
        ),
        rows=tuple(
            (
                one.name,
                ("yes, and is wrong" if one.name in judgement.contradicted else "yes")
                if one.good
                else "no",
                one.detail,
            )
            for one in judgement.signals
        ),
    )


def brought_section(updates: Iterable[BroughtUpdate]) -> Section:
    """What a bundle brings, the most bytes first."""
    held = sorted(updates, key=lambda one: (-one.bytes, one.key))
    return Section(
        key="brings",
        title="What this bundle brings",
        note="Approved updates of which this bundle carries files; shared files count for each."
        + cut_note(held, " "),
        facts=(Fact(label="Updates", value=len(held), kind="count"),),
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="Severity", kind="short"),
            Column(label="Classification"),
            Column(label="Product"),
            Column(label="Files", kind="count"),
            Column(label="Size", kind="bytes"),
        ),
        rows=tuple(
            (
                one.title or f"{one.key.update_id} revision {one.key.revision}",
                one.kb,
                one.severity,
                one.classification,
                one.products,
                one.files,
                one.bytes,
            )
            for one in held[:MOST_ROWS]
        ),
    )


def plan_section(
    plan: ApprovalPlan, titles: Mapping[str, str], *, digest: str | None = None
) -> Section:
    """What an import would change on the server, in the order in which it is done.

    ``digest`` is what a person confirms all of the import's plan by; None when nobody has to.
    """
    counts = plan.counts
    facts = [
        ("Changes", len(plan.actions)),
        ("Target groups to make", len(plan.groups)),
        ("Already in place", plan.in_place),
        ("Parked until their content comes", len(plan.parked)),
        ("Held for a person or a policy", len(plan.held)),
        ("Local decisions kept", len(plan.kept)),
        ("Approvals removed", counts.removals),
        ("Updates declined", counts.declines),
        ("Declines taken back", counts.undeclines),
        ("Updates uninstalled", counts.uninstalls),
    ]
    groups: list[tuple[Cell, ...]] = [
        ("make target group", "", " / ".join(path), "", "") for path in plan.groups
    ]
    return Section(
        key="plan",
        title="Plan",
        note=". ".join(filter(None, (plan.limit_exceeded, cut_note(plan.actions)))),
        facts=(
            *(Fact(label=label, value=value, kind="count") for label, value in facts),
            *([] if digest is None else [Fact(label="Digest for --confirm", value=digest)]),
        ),
        columns=(
            Column(label="Change", kind="short"),
            Column(label="Update"),
            Column(label="Target group"),
            Column(label="Action", kind="short"),
            Column(label="Deadline", kind="short"),
        ),
        rows=(*groups, *(_action_row(action, titles) for action in shown_actions(plan))),
    )


def kept_section(kept: Iterable[Waiting], titles: Mapping[str, str]) -> Section:
    """What staging decided and a decision taken here overrules."""
    kept = tuple(kept)
    shown = kept[:MOST_ROWS]
    lines = zip(shown, approval_lines(each.as_json() for each in shown), strict=True)
    return Section(
        key="kept",
        title="Local decisions kept",
        note="The staging side decided otherwise; what was decided here stands."
        + cut_note(kept, " "),
        columns=(
            Column(label="Update"),
            Column(label="Target group"),
            Column(label="Staging's decision", kind="short"),
            Column(label="Why it was not applied"),
        ),
        rows=tuple(
            (
                titles.get(each.update_id) or f"{each.update_id} revision {each.revision}",
                " / ".join(line.group),
                f"Remove {line.action}" if each.subject == "removal" else asked(line),
                each.reason.sentence,
            )
            for each, line in lines
        ),
    )


def deletes_section(plan: DeletePlan) -> Section:
    """What a mirror would move to the trash: every file by its name."""
    return Section(
        key="deletes",
        title="Content to delete",
        note="The staging server no longer holds these files, and no update here needs them.",
        facts=(
            Fact(label="Files", value=len(plan.files), kind="count"),
            Fact(label="Size", value=plan.size_bytes, kind="bytes"),
            Fact(
                label="Kept because an update here needs them",
                value=plan.still_needed,
                kind="count",
            ),
        ),
        columns=(Column(label="File"), Column(label="Size", kind="bytes")),
        rows=tuple((file.name.text, file.size_bytes) for file in plan.files),
    )


def _action_row(action: PlannedAction, titles: Mapping[str, str]) -> tuple[Cell, ...]:
    (line,) = approval_lines([action.as_json()])
    return (
        _CHANGES[action.change],
        titles.get(action.update_id) or f"{action.update_id} revision {action.revision}",
        " / ".join(line.group),
        asked(line),
        line.deadline or "",
    )


def shown_actions(plan: ApprovalPlan) -> Sequence[PlannedAction]:
    """The actions that a table has room for, what takes something away before all others."""
    if len(plan.actions) <= MOST_ROWS:
        return plan.actions
    return sorted(plan.actions, key=lambda action: not action.takes_away)[:MOST_ROWS]


def cut_note(items: Sequence[object], before: str = "") -> str:
    """Say, after some text, how many rows are shown, where they are not all."""
    if len(items) <= MOST_ROWS:
        return ""
    return f"{before}The first {count(MOST_ROWS)} of {count(len(items))} are listed."


def faults_section(faults: Faults) -> Section:
    """What is wrong with a bundle's files on the media, and what of it another copy made good."""

    def row(fault: Fault, recovered: str = "") -> tuple[Cell, ...]:
        return _FAULTS[fault.verdict] + recovered, fault.path, fault.expected, fault.actual

    recovered = ", taken from another copy"
    return Section(
        key="faults",
        title="What is wrong on the media",
        note=f"{count(len(faults.listed))} of {count(faults.total)} are listed."
        if faults.total > len(faults.listed)
        else "",
        facts=(
            Fact(label="Files and names", value=faults.total, kind="count"),
            Fact(label="Taken from another copy", value=len(faults.recovered), kind="count"),
        ),
        columns=(
            Column(label="Fault", kind="short"),
            Column(label="Path"),
            Column(label="Expected"),
            Column(label="Found"),
        ),
        rows=(*map(row, faults.listed), *(row(fault, recovered) for fault in faults.recovered)),
    )


def neighbours_section(others: Sequence[tuple[HostPath, FileStat]]) -> Section:
    """What else lies on the media; listed, never opened."""
    kinds = {"file": "file", "folder": "folder", "other": "link or device"}
    return Section(
        key="beside",
        title="Beside the bundle on the media",
        note=f"The first {MOST_LISTED} are listed." if len(others) > MOST_LISTED else "",
        facts=(Fact(label="Names", value=len(others), kind="count"),),
        columns=(Column(label="Path"), Column(label="Kind", kind="short")),
        rows=tuple((printable(path.text), kinds[stat.kind]) for path, stat in others[:MOST_LISTED]),
    )


def asked(line: ApprovalLine) -> str:
    """What a decision asks, in a cell."""
    match line.operation or _DONE.get(line.reason or ""):
        case "group":
            return "Make target group"
        case "accept-license":
            return "Accept licence terms"
        case "undecline":
            return "Undecline"
        case "remove":
            return f"Remove {line.action}"
    if line.action is None:
        return "Decline"
    return f"{line.action}, optional" if line.optional else line.action
