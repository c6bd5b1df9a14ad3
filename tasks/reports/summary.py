"""Summary of a finished report: its numbers, the reasons for a flag, the next step. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import JsonValue

from tasks.checks.finding import is_at_least
from tasks.metadata.audit import MissingFile
from tasks.quantities import count
from tasks.reports.check_sections import findings_section
from tasks.reports.conflicts import conflicts_section
from tasks.reports.made_by import MadeBy
from tasks.reports.model import (
    ApprovalLine,
    ApprovalOutcome,
    Cell,
    Column,
    CommandReport,
    Fact,
    Section,
)
from tasks.reports.sections import MOST_ROWS, cut_note, request_cell


def missing_section(missing: Iterable[MissingFile], unapproved: int | None = None) -> Section:
    """Table of the files that updates wait for.

    Args:
        missing: The files.
        unapproved: Number of other updates without all files; None if they were not counted.
    """
    files = tuple(missing)
    sizes = {file.file: file.size_bytes or 0 for file in files if file.file}
    facts = [
        Fact(label="Files", value=count_missing(files), kind="count"),
        Fact(label="Updates", value=len({file.update_id for file in files}), kind="count"),
        Fact(label="Size, where known", value=sum(sizes.values()), kind="bytes"),
    ]
    if unapproved is not None:
        label = "Other updates without all files (normal)"
        facts.append(Fact(label=label, value=unapproved, kind="count"))
    return Section(
        key="missing",
        title="Missing content",
        note="Each line is a file that an approved or parked update waits for."
        + cut_note(files, " "),
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
                file.title or f"{file.update_id} revision {file.revision}",
                file.kb,
                file.file or "unknown",
                file.size_bytes,
                file.reason.value,
                file.reason_text,
            )
            for file in files[:MOST_ROWS]
        ),
    )


def count_missing(missing: Iterable[MissingFile]) -> int:
    """Count distinct files; a revision whose files are unknown counts as one."""
    return len({file.file or (file.update_id, file.revision) for file in missing})


def approval_sections(report: CommandReport) -> tuple[Section, ...]:
    """Make a table for each outcome of approvals that occurred, failures first."""
    outcome = report.approvals or ApprovalOutcome()
    kinds = (
        ("failed", "Decisions failed", outcome.failed),
        ("held", "Decisions held", outcome.held),
        ("parked", "Approvals parked", outcome.parked),
        ("applied", "Decisions applied", outcome.applied),
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
            _subject(report, line),
            " / ".join(line.group),
            request_cell(line),
            line.deadline or "",
            line.reason or "",
        )
        for line in lines[:MOST_ROWS]
    )
    return Section(
        key=f"approvals-{key}",
        note=cut_note(lines),
        title=f"{title}: {count(len(lines))}",
        columns=(*columns, *[Column(label="Reason")] * has_reasons),
        rows=tuple(row if has_reasons else row[:-1] for row in rows),
    )


def _subject(report: CommandReport, line: ApprovalLine) -> str:
    if line.update_id is None:
        return "(the target group itself)"
    return report.title_of(line.update_id) or f"{line.update_id} revision {line.revision}"


def summary_facts(report: CommandReport) -> tuple[Fact, ...]:
    """Return the numbers of a run that the report has, in the order in which people read them."""
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
            _fact("Decisions applied", len(approvals.applied), "count"),
            _fact("Approvals parked", len(approvals.parked), "count"),
            _fact("Decisions held", len(approvals.held), "count"),
            _fact("Of these acknowledged", len(approvals.acknowledged) or None, "count"),
            _fact("Decisions failed", len(approvals.failed), "count"),
            _fact("Decided otherwise here", len(report.conflicts or ()) or None, "count"),
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
    if "inventory" in report.details:
        return _fact("Base", "what the disconnected server had before (audit --adopt)")
    return _fact("Base", "none: everything is carried" if report.base is None else str(report.base))


def all_sections(report: CommandReport) -> tuple[Section, ...]:
    """Return every table of a report; tables that a person must look at come first."""
    urgent: list[Section] = []
    if report.findings:
        urgent.append(findings_section(report.findings))
    if report.missing:
        urgent.append(missing_section(report.missing, report.unapproved_incomplete))
    approvals = approval_sections(report)
    urgent += [section for section in approvals if section.key != "approvals-applied"]
    done = [section for section in approvals if section.key == "approvals-applied"]
    conflicts = [conflicts_section(report.conflicts)] if report.conflicts else []
    made_by = [made_by_section(report.made_by)] if report.made_by else []
    return (*urgent, *report.sections, *conflicts, *done, *made_by)


_NO_PUBLIC_KEY = "encrypted, and its public key does not lie beside it"


def made_by_section(made_by: MadeBy) -> Section:
    """Facts about what made the report."""
    signer = made_by.signer
    facts = (
        ("Account", f"{made_by.account}, by the API" if made_by.by_api else made_by.account),
        ("Machine", made_by.machine),
        ("Product version", made_by.product_version),
        ("Server id", made_by.server_id or "not known before the first export or import"),
        (
            "Signer of this side",
            f"{signer.name}, {signer.fingerprint or _NO_PUBLIC_KEY}",
        ),
        ("Signatures that a bundle needs", str(made_by.threshold)),
        ("Site file", made_by.site_file),
        ("Policy in force", "; ".join(_settings(made_by.policy))),
    )
    return Section(
        key="made-by",
        title="Who and what made this report",
        facts=tuple(Fact(label=label, value=value) for label, value in facts),
    )


def _settings(policy: Mapping[str, JsonValue]) -> list[str]:
    """Return settings as a site file has them."""
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in policy.items()]


def attention(report: CommandReport) -> tuple[str, ...]:
    """Return the reasons why a run needs a person, one sentence each.

    Files that ``audit --all`` lists for unapproved updates do not flag a run.
    """
    if report.outcome == "done":
        return report.notices
    approvals = report.approvals or ApprovalOutcome()
    missing = count_missing(report.missing or ())
    findings = report.findings or ()
    severe = [
        finding
        for finding in findings
        if is_at_least(finding.severity, "warning") and not finding.accepted
    ]
    others = ", besides those acknowledged" if approvals.acknowledged else ""
    numbers = (
        (missing, "content file is missing", "content files are missing"),
        (len(approvals.failed), "approval failed", "approvals failed"),
        (len(approvals.unseen), f"approval is parked{others}", f"approvals are parked{others}"),
        (len(approvals.undecided), f"decision is held{others}", f"decisions are held{others}"),
        (len(severe), "finding needs a look", "findings need a look"),
    )
    reasons = [f"{count(number, noun, plural)}." for number, noun, plural in numbers if number]
    return (*reasons, *report.notices)


def next_step(report: CommandReport) -> str:
    """Return the operator's next action in one sentence."""
    if report.errors:
        return report.errors[0].next_step
    if report.next_step:
        return report.next_step
    if "plan" in report.details:
        return (
            "Read the plan in the report; the same command with --confirm "
            f"{report.plan_digest} in place of --rehearse carries it out."
        )
    usual = _USUAL.get(report.command, "Nothing.").format(
        bundle=report.bundle or "the bundle", receipt=report.receipt or "the receipt"
    )
    if report.command == "import" and report.receipt is None:
        usual = "There is no receipt to carry back: a newer bundle was imported since."
    if report.command == "audit" and report.receipt is not None:
        usual = f"Carry {report.receipt} to the staging side; there `wsus-airgap accept RECEIPT`."
    if report.outcome == "flagged":
        steps = [*_flagged_steps(report)] or ["Read what the report flags."]
        return " ".join(
            [*steps, *([usual] if report.command in _GOES_ON or report.receipt else [])]
        )
    return usual


def status_steps(report: CommandReport, usual: str) -> str:
    """Return what waits for a person on a side, and then the usual next step."""
    return " ".join([*_flagged_steps(report), usual])


def _flagged_steps(report: CommandReport) -> Iterator[str]:
    approvals = report.approvals or ApprovalOutcome()
    if approvals.failed:
        yield "Mend what made approvals fail, then run the same command again."
    if report.missing and report.command == "export":
        yield "Have the staging server download what is missing and export again, or go without."
    elif report.missing:
        yield "Have the next bundle bring the missing files (shopping-list.json)."
    if approvals.undecided:
        yield "Decide on what is held: `wsus-airgap held` says what would let each go."
    if report.findings and report.command == "check":
        first = report.findings[0]
        yield f"Begin with {first.id}: {first.next_step}"
    elif report.findings:
        yield "Follow the findings."


# After these commands the operator goes on with the usual step even if the run is flagged.
_GOES_ON = {"export", "import"}
_USUAL = {
    "decide": "Nothing; `wsus-airgap audit` carries it out before the next import does.",
    "export": "Carry {bundle} to the disconnected side; there `wsus-airgap import`.",
    "verify": "On the disconnected side `wsus-airgap import {bundle}`.",
    "import": "Carry {receipt} back; on the staging side `wsus-airgap accept RECEIPT`.",
    "accept": "When there is something to bring: `wsus-airgap export`.",
    "check": "Nothing: the server is fit.",
    "catalog-import": "Approve what was imported; the next export carries it.",
    "probe": "Nothing: this server is as we believe WSUS to be.",
    "repair": "Run `wsus-airgap check`.",
    "audit": "Nothing: all approved content is in place.",
    "tidy": "Nothing: `wsus-airgap tidy` again in a month, or by [schedule].",
    "restore-deleted": "`wsus-airgap audit` says what is missing now.",
    "site recover": "With the newest bundle `wsus-airgap import`; on staging `wsus-airgap export`.",
}
