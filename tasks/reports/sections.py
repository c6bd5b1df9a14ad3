"""The tables of a report, each made once and shown in every form: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tasks.approvals.outline import ApprovalPlan, PlannedAction
from tasks.bundle.faults import MOST_LISTED, Fault, Faults, printable
from tasks.content.deletion import DeletePlan
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.metadata.audit import MissingFile
from tasks.metadata.brought import BroughtUpdate
from tasks.metadata.wsusutil import Judgement
from tasks.reports.model import (
    ApprovalLine,
    ApprovalOutcome,
    Cell,
    Column,
    CommandReport,
    Fact,
    Section,
)
from tasks.reports.text import count

_CHANGES = {
    "license": "accept licence terms",
    "undecline": "undecline",
    "add": "approve",
    "change": "change approval",
    "block": "block",
    "remove": "remove approval",
    "decline": "decline",
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
                "yes, and is wrong" if one.name in judgement.liars else "yes" if one.good else "no",
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
        note="Approved updates of which this bundle carries files; shared files count for each.",
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
            for one in held
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
        note=plan.limit_exceeded or "",
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
        rows=(*groups, *(_action_row(action, titles) for action in plan.actions)),
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
            Fact(label="Kept because an update here needs them", value=plan.kept, kind="count"),
        ),
        columns=(Column(label="File"), Column(label="Size", kind="bytes")),
        rows=tuple((file.name.text, file.size_bytes) for file in plan.files),
    )


def _action_row(action: PlannedAction, titles: Mapping[str, str]) -> tuple[Cell, ...]:
    line = ApprovalLine.model_validate(action.as_json())
    return (
        _CHANGES[action.change],
        titles.get(action.update_id) or f"{action.update_id} revision {action.revision}",
        " / ".join(line.group),
        _asked(line),
        line.deadline or "",
    )


def faults_section(faults: Faults) -> Section:
    """What is wrong with a bundle's files on the media, and what of it another copy made good."""

    def row(fault: Fault, spared: str = "") -> tuple[Cell, ...]:
        return _FAULTS[fault.verdict] + spared, fault.path, fault.expected, fault.found

    spared = ", taken from another copy"
    return Section(
        key="faults",
        title="What is wrong on the media",
        note=f"{count(len(faults.listed))} of {count(faults.total)} are listed."
        if faults.total > len(faults.listed)
        else "",
        facts=(
            Fact(label="Files and names", value=faults.total, kind="count"),
            Fact(label="Taken from another copy", value=len(faults.spared), kind="count"),
        ),
        columns=(
            Column(label="Fault", kind="short"),
            Column(label="Path"),
            Column(label="Expected"),
            Column(label="Found"),
        ),
        rows=(*map(row, faults.listed), *(row(fault, spared) for fault in faults.spared)),
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


def missing_section(missing: Iterable[MissingFile], unapproved: int | None = None) -> Section:
    """The files that updates wait for."""
    held = tuple(missing)
    sizes = {one.file: one.size_bytes or 0 for one in held if one.file}
    facts = [
        Fact(label="Files", value=count_missing(held), kind="count"),
        Fact(label="Updates", value=len({one.update_id for one in held}), kind="count"),
        Fact(label="Size, where known", value=sum(sizes.values()), kind="bytes"),
    ]
    if unapproved is not None:
        label = "Other updates without all files (normal)"
        facts.append(Fact(label=label, value=unapproved, kind="count"))
    return Section(
        key="missing",
        title="Missing content",
        note="Each line is a file that an approved or parked update waits for.",
        facts=tuple(facts),
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="File"),
            Column(label="Size", kind="bytes"),
            Column(label="Reason", kind="short"),
            Column(label="What to do"),
        ),
        rows=tuple(
            (
                one.title or f"{one.update_id} revision {one.revision}",
                one.kb,
                one.file or "unknown",
                one.size_bytes,
                one.reason.value,
                one.reason_text,
            )
            for one in held
        ),
    )


def count_missing(missing: Iterable[MissingFile]) -> int:
    """Distinct files; a revision whose files are not known counts as one."""
    return len({one.file or (one.update_id, one.revision) for one in missing})


def approval_sections(report: CommandReport) -> tuple[Section, ...]:
    """What became of approvals: one section for each kind that there is, failures first."""
    outcome = report.approvals or ApprovalOutcome()
    kinds = (
        ("failed", "Approvals that failed", outcome.failed),
        ("held", "Held decisions", outcome.held),
        ("parked", "Parked approvals", outcome.parked),
        ("applied", "Applied approvals and declines", outcome.applied),
    )
    return tuple(
        _approval_section(report, key, title, lines) for key, title, lines in kinds if lines
    )


def _approval_section(
    report: CommandReport, key: str, title: str, lines: tuple[ApprovalLine, ...]
) -> Section:
    columns = [
        Column(label="Update"),
        Column(label="Target group"),
        Column(label="Action", kind="short"),
        Column(label="Deadline", kind="short"),
    ]
    has_reasons = any(line.reason for line in lines)
    rows = (
        (
            report.title_of(line.update_id) or f"{line.update_id} revision {line.revision}",
            " / ".join(line.group),
            _asked(line),
            line.deadline or "",
            line.reason or "",
        )
        for line in lines
    )
    return Section(
        key=f"approvals-{key}",
        title=f"{title}: {count(len(lines))}",
        columns=(*columns, *[Column(label="Reason")] * has_reasons),
        rows=tuple(row if has_reasons else row[:-1] for row in rows),
    )


def _asked(line: ApprovalLine) -> str:
    if line.action is None:
        return "Decline"
    return f"{line.action}, optional" if line.optional else line.action


def findings_section(report: CommandReport) -> Section:
    """What a check found, the worst first."""
    order = {"failure": 0, "warning": 1, "note": 2, "ok": 3}
    found = sorted(report.findings or (), key=lambda one: (order[one.severity], one.id))
    labels = ("Evidence", "Meaning", "Next step")
    return Section(
        key="findings",
        title="Findings",
        columns=(
            Column(label="Severity", kind="short"),
            Column(label="Finding", kind="short"),
            *(Column(label=label) for label in labels),
        ),
        rows=tuple(
            (one.severity, one.id, one.evidence, one.meaning, one.next_step) for one in found
        ),
    )


def summary_facts(report: CommandReport) -> tuple[Fact, ...]:
    """The numbers of a run, those that it has, in the order in which people ask for them."""
    approvals = report.approvals
    facts: list[Fact | None] = [
        _fact("Bundle", _path(report.bundle)),
        _fact("Sequence", None if report.sequence is None else str(report.sequence)),
        _base(report),
        _fact("Content files", report.files, "count"),
        _fact("Content", report.bytes, "bytes"),
        _fact("Files placed", report.placed, "count"),
    ]
    if approvals is not None:
        facts += [
            _fact("Approvals applied", len(approvals.applied), "count"),
            _fact("Approvals parked", len(approvals.parked), "count"),
            _fact("Decisions held", len(approvals.held), "count"),
            _fact("Approvals failed", len(approvals.failed), "count"),
        ]
    if report.missing is not None:
        facts.append(_fact("Missing files", count_missing(report.missing), "count"))
    facts += [
        _fact("Other updates without all files", report.unapproved_incomplete, "count"),
        _fact("Findings", None if report.findings is None else len(report.findings), "count"),
        _fact("Plan digest", report.plan_digest),
        _fact("Receipt", _path(report.receipt)),
        _fact("Receipt code", report.receipt_code),
    ]
    return tuple(fact for fact in facts if fact is not None)


def _fact(label: str, value: Cell, kind: str = "text") -> Fact | None:
    if value is None:
        return None
    return Fact.model_validate({"label": label, "value": value, "kind": kind})


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _base(report: CommandReport) -> Fact | None:
    if "base" not in report.model_fields_set:
        return None
    return _fact("Base", "none: everything is carried" if report.base is None else str(report.base))


def all_sections(report: CommandReport) -> tuple[Section, ...]:
    """Every table of a report, what needs a person first."""
    found: list[Section] = []
    if report.findings:
        found.append(findings_section(report))
    if report.missing:
        found.append(missing_section(report.missing, report.unapproved_incomplete))
    approvals = approval_sections(report)
    found += [section for section in approvals if section.key != "approvals-applied"]
    done = [section for section in approvals if section.key == "approvals-applied"]
    return (*found, *report.sections, *done)


def attention(report: CommandReport) -> tuple[str, ...]:
    """Why a run is flagged: one sentence a reason.

    What ``audit --all`` lists of updates that nobody approved flags nothing.
    """
    if report.outcome == "done":
        return report.notices
    approvals = report.approvals or ApprovalOutcome()
    missing = count_missing(report.missing or ())
    severe = [one for one in report.findings or () if one.severity in {"warning", "failure"}]
    numbers = (
        (missing, "content file is missing", "content files are missing"),
        (len(approvals.failed), "approval failed", "approvals failed"),
        (len(approvals.parked), "approval is parked", "approvals are parked"),
        (len(approvals.held), "decision is held", "decisions are held"),
        (len(severe), "finding needs a look", "findings need a look"),
    )
    said = [f"{count(number, one, many)}." for number, one, many in numbers if number]
    return (*said, *report.notices)


def next_step(report: CommandReport) -> str:
    """What the operator does now, in one sentence."""
    if report.errors:
        return report.errors[0].next_step
    if report.next_step:
        return report.next_step
    usual = _USUAL.get(report.command, "Nothing.").format(bundle=report.bundle or "the bundle")
    if report.outcome == "flagged":
        steps = [*_flagged_steps(report)] or ["Read what the report flags."]
        return " ".join([*steps, *([usual] if report.command in _GOES_ON else [])])
    return usual


def _flagged_steps(report: CommandReport) -> Iterator[str]:
    approvals = report.approvals or ApprovalOutcome()
    if approvals.failed:
        yield "Mend what made approvals fail, then run the same command again."
    if report.missing and report.command == "export":
        yield "Have the staging server download what is missing and export again, or go without."
    elif report.missing:
        yield "Have the next bundle bring the missing files (shopping-list.json)."
    if approvals.held:
        yield "Decide on what is held."
    if report.findings:
        yield "Follow the findings."


# What was flagged does not keep the operator from carrying on with these.
_GOES_ON = {"export", "import"}
_USUAL = {
    "export": "Carry {bundle} to the disconnected side and import it there.",
    "verify": "Import the bundle on the disconnected side.",
    "import": "Carry the receipt back and accept it on the staging side.",
    "accept": "Export the next bundle when there is something to bring.",
    "check": "Nothing: the server is fit.",
    "audit": "Nothing: all approved content is in place.",
}
