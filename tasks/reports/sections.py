"""Tables that steps add to a report; each is made once and shown in every form. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tasks.approvals.plan_model import ApprovalPlan, PlannedAction, Waiting
from tasks.bundle.brings import BroughtUpdate
from tasks.bundle.faults import MOST_LISTED, Fault, Faults, printable
from tasks.bundle.layout import volume_name
from tasks.content.deletion import DeletePlan
from tasks.content.scan import ContentFile
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.metadata.wsusutil import Judgement
from tasks.quantities import count
from tasks.reports.model import (
    ApprovalLine,
    Cell,
    Column,
    Fact,
    Section,
    approval_lines,
)

MOST_ROWS = 10_000
"""Most rows of one table. The JSON document has all decisions; longer pages are not read."""

_CHANGES = {
    "license": "accept licence terms",
    "undecline": "undecline",
    "add": "approve",
    "change": "change approval",
    "block": "block",
    "remove": "remove approval",
    "decline": "decline",
}

# Operation of a decision, by a reason that shows that it was done.
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
    """Table of the signals by which ``wsusutil`` was judged, and those that were contradicted."""
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
                signal.name,
                ("yes, and is wrong" if signal.name in judgement.contradicted else "yes")
                if signal.good
                else "no",
                signal.detail,
            )
            for signal in judgement.signals
        ),
    )


def brought_section(updates: Iterable[BroughtUpdate]) -> Section:
    """Table of the updates that a bundle brings, the most bytes first."""
    ordered = sorted(updates, key=lambda update: (-update.size_bytes, update.key))
    return Section(
        key="brings",
        title="What this bundle brings",
        note="Approved updates that its base did not have, or of which it carries files; shared "
        "files count for each. A CVE is named where the update's own metadata name it."
        + cut_note(ordered, " "),
        facts=(Fact(label="Updates", value=len(ordered), kind="count"),),
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="Severity", kind="short"),
            Column(label="CVE", kind="short"),
            Column(label="Classification"),
            Column(label="Product"),
            Column(label="Files", kind="count"),
            Column(label="Size", kind="bytes"),
        ),
        rows=tuple(
            (
                update.title or f"{update.key.update_id} revision {update.key.revision}",
                update.kb,
                update.severity,
                shown_names(update.cves, update.cve_count),
                update.classification,
                ", ".join(update.products),
                update.files,
                update.size_bytes,
            )
            for update in ordered[:MOST_ROWS]
        ),
    )


def shown_names(names: Sequence[str], total: int, most: int = 3) -> str:
    """Return the first names, and the number of the others."""
    more = [f"and {total - most} more"] if total > most else []
    return ", ".join([*names[:most], *more])


def plan_section(
    plan: ApprovalPlan, titles: Mapping[str, str], *, digest: str | None = None
) -> Section:
    """Table of the changes that an import would make on the server, in their order.

    Args:
        plan: The plan of approvals.
        titles: Titles by update id.
        digest: Digest by which a person confirms the whole plan of the import; None if no
            confirmation is needed.
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


def waiting_section(waiting: Sequence[Waiting], titles: Mapping[str, str]) -> Section:
    """Table of the decisions of a plan that is shown only, and that would wait."""
    note = "These would wait even if the plan were applied."
    return _decisions_section(waiting, titles, key="would-wait", title="What waits", note=note)


def _decisions_section(
    decisions: Sequence[Waiting], titles: Mapping[str, str], *, key: str, title: str, note: str
) -> Section:
    shown = decisions[:MOST_ROWS]
    lines = zip(shown, approval_lines(waiting.as_json() for waiting in shown), strict=True)
    return Section(
        key=key,
        title=title,
        note=note + cut_note(decisions, " "),
        columns=(
            Column(label="Update"),
            Column(label="Target group"),
            Column(label="Staging's decision", kind="short"),
            Column(label="Why it was not applied"),
        ),
        rows=tuple(
            (
                titles.get(waiting.update_id) or f"{waiting.update_id} revision {waiting.revision}",
                " / ".join(line.group),
                f"Remove {line.action}" if waiting.subject == "removal" else request_cell(line),
                waiting.reason.sentence,
            )
            for waiting, line in lines
        ),
    )


def deletes_section(plan: DeletePlan) -> Section:
    """Table of the files that a mirror would move to the trash, each by its name."""
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
        request_cell(line),
        line.deadline or "",
    )


def shown_actions(plan: ApprovalPlan) -> Sequence[PlannedAction]:
    """Return the actions that a table has room for, those that take something away first."""
    if len(plan.actions) <= MOST_ROWS:
        return plan.actions
    return sorted(plan.actions, key=lambda action: not action.takes_away)[:MOST_ROWS]


def cut_note(items: Sequence[object], before: str = "") -> str:
    """Return a sentence on how many rows are shown, after ``before``; empty if all are."""
    if len(items) <= MOST_ROWS:
        return ""
    return f"{before}The first {count(MOST_ROWS)} of {count(len(items))} are listed."


def faults_section(faults: Faults) -> Section:
    """Table of the faults of a bundle on the media, and of those that another copy made good."""

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


def not_adopted_section(files: Sequence[ContentFile]) -> Section:
    """Table of the files that an inventory leaves out, because their bytes could not be proved."""
    return Section(
        key="not-adopted",
        title="Files that were not adopted",
        note="They cannot be read, or have other bytes than their name says. " + cut_note(files),
        facts=(Fact(label="Files", value=len(files), kind="count"),),
        columns=(Column(label="File"), Column(label="Size", kind="bytes")),
        rows=tuple((file.name.text, file.size_bytes) for file in files[:MOST_ROWS]),
    )


def bring_section(answers: Mapping[str, str], *, lacking: int) -> Section:
    """Table of the shopping list: each file, and whether the bundle carries it."""
    rows = sorted(answers.items(), key=lambda row: (row[1] == "carried", row[0]))
    return Section(
        key="shopping-list",
        title="Shopping list of the disconnected side",
        note="What cannot be brought comes first." + cut_note(rows, " "),
        facts=(
            Fact(label="Files on the list", value=len(rows), kind="count"),
            Fact(label="Not brought", value=lacking, kind="count"),
        ),
        columns=(Column(label="File"), Column(label="This bundle")),
        rows=tuple(rows[:MOST_ROWS]),
    )


def volumes_section(
    volumes: Sequence[tuple[int, int, int]], at_hand: Collection[int] | None = None
) -> Section:
    """Table of the volumes that a bundle needs.

    Args:
        volumes: Number, files and bytes of each.
        at_hand: Numbers of those that are at hand; None if the question makes no sense.
    """
    columns = (
        Column(label="Volume", kind="short"),
        Column(label="Files", kind="count"),
        Column(label="Content", kind="bytes"),
        Column(label="At hand", kind="short"),
    )
    rows = (
        (volume_name(number), files, size_bytes, "yes" if number in (at_hand or ()) else "no")
        for number, files, size_bytes in volumes
    )
    shown = len(columns) if at_hand is not None else -1
    return Section(
        key="volumes",
        title="Volumes",
        facts=(Fact(label="Volumes", value=len(volumes), kind="count"),),
        columns=columns[:shown],
        rows=tuple(row[:shown] for row in rows),
    )


def restored_section(answers: Mapping[str, tuple[int, str]]) -> Section:
    """Table of the files of a trash, and of what became of each."""
    rows = [(text, size_bytes, answer) for text, (size_bytes, answer) in sorted(answers.items())]
    return Section(
        key="restored",
        title="Files of the trash",
        note=cut_note(rows),
        facts=(Fact(label="Files", value=len(rows), kind="count"),),
        columns=(
            Column(label="File"),
            Column(label="Size", kind="bytes"),
            Column(label="What became of it"),
        ),
        rows=tuple(rows[:MOST_ROWS]),
    )


def neighbours_section(others: Sequence[tuple[HostPath, FileStat]]) -> Section:
    """Table of the other names on the media; they are listed, never opened."""
    kinds = {"file": "file", "folder": "folder", "other": "link or device"}
    return Section(
        key="beside",
        title="Beside the bundle on the media",
        note=f"The first {MOST_LISTED} are listed." if len(others) > MOST_LISTED else "",
        facts=(Fact(label="Names", value=len(others), kind="count"),),
        columns=(Column(label="Path"), Column(label="Kind", kind="short")),
        rows=tuple((printable(path.text), kinds[stat.kind]) for path, stat in others[:MOST_LISTED]),
    )


def request_cell(line: ApprovalLine) -> str:
    """Return the request of a decision, for a table cell."""
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
