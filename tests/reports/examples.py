"""Reports for tests: a plain one, and one that foreign text tries to break."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tasks.checks.finding import Finding
from tasks.metadata.audit import REASON_TEXTS, MissingFile, MissingReason
from tasks.reports.model import (
    ApprovalLine,
    ApprovalOutcome,
    Column,
    CommandReport,
    ErrorLine,
    Fact,
    Section,
    approval_lines,
)

NOW = datetime(2026, 3, 10, 18, 0, 0, tzinfo=UTC)
LATER = datetime(2026, 3, 10, 18, 7, 41, tzinfo=UTC)
HOSTILE = "=HYPERLINK(\"http://x\")|`<script>alert('x')</script>`\r\n[a](javascript:b)\u202egpj.exe"


def guid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"


def missing_file(number: int, **changes: object) -> MissingFile:
    fields: dict[str, object] = {
        "update_id": guid(number),
        "revision": 200,
        "title": f"2026-03 Cumulative Update for Windows 11 ({number})",
        "kb": f"KB50{number:05d}",
        "file": f"{number:040X}.cab",
        "size_bytes": 1_234_567 * number,
        "reason": MissingReason.NEVER_DOWNLOADED,
        "reason_text": REASON_TEXTS[MissingReason.NEVER_DOWNLOADED],
    }
    return MissingFile.model_validate(fields | changes)


def approval(number: int, reason: str | None = None, **changes: object) -> ApprovalLine:
    fields: dict[str, object] = {
        "update_id": guid(number),
        "revision": 200,
        "group": ("All Computers", "Servers", "Ring 1"),
        "action": "Install",
        "deadline": "2041-05-01T03:00:00Z",
        "optional": False,
        "reason": reason,
    }
    return next(iter(approval_lines([fields | changes])))


def flagged_report() -> CommandReport:
    titles = {
        guid(1): "2026-03 Cumulative Update for Windows 11 Version 24H2 for x64-based Systems",
        guid(2): "2026-03 の悪意のあるソフトウェアの削除ツール x64 (KB890830)",
        guid(3): "تحديث الأمان لـ Microsoft Office 2021 (KB5002700)",
        guid(4): "Intel - Net - 23.160.0.5 <b>driver</b> \u202eexe.txt",
    }
    return CommandReport(
        command="import",
        site="alpha",
        exit_code=2,
        run="20260310T180000Z-import-4f2a91",
        started=NOW,
        ended=LATER,
        bundle=Path("/media/crossing/alpha-7"),
        sequence=7,
        base=6,
        files=1_402,
        bytes=23_456_789_012,
        placed=1_399,
        approvals=ApprovalOutcome(
            applied=tuple(approval(1, group=("All Computers", f"Ring {n}")) for n in range(1, 4)),
            parked=(approval(2, "content-missing"), approval(3, "content-missing")),
            held=(
                approval(4, "licence-terms"),
                approval(1, "successor-parked", group=(), action=None, deadline=None),
            ),
        ),
        missing=(
            missing_file(2, title=titles[guid(2)], kb="KB890830"),
            missing_file(3, title=titles[guid(3)], reason=MissingReason.LOST_BUNDLE,
                         reason_text=REASON_TEXTS[MissingReason.LOST_BUNDLE]),
            missing_file(5, title="", file=None, size_bytes=None,
                         reason=MissingReason.NOT_IN_PACKAGE,
                         reason_text=REASON_TEXTS[MissingReason.NOT_IN_PACKAGE]),
        ),
        unapproved_incomplete=61_377,
        findings=(
            Finding(id="roots-old", severity="warning", evidence="newest root from 2021-05-01",
                    meaning="WSUS may delete content whose signature it cannot trust.",
                    next_step="Update the root certificates.", document=None),
        ),
        sections=(
            Section(
                key="brings", title="What this bundle brings",
                note="Approved updates of which this bundle carries files.",
                facts=(Fact(label="Updates", value=2, kind="count"),),
                columns=(Column(label="Update"), Column(label="KB", kind="short"),
                         Column(label="Severity", kind="short"),
                         Column(label="Files", kind="count"), Column(label="Size", kind="bytes")),
                rows=((titles[guid(1)], "KB5034123", "Critical", 3, 734_003_200),
                      (titles[guid(4)], "", "", 1, 1_200_300)),
            ),
        ),
        receipt=Path("/media/return/alpha-7.receipt"),
        receipt_code="7K2M-9QXT-0BVR-5WZC",
        titles=titles,
    )  # fmt: skip


def refused_report() -> CommandReport:
    return CommandReport(
        command="import",
        site="alpha",
        exit_code=3,
        started=NOW,
        ended=NOW,
        errors=(
            ErrorLine(
                kind="tamper",
                message="/media/alpha-7/volume-001/content/63/CB6F.cab: expected 9f…, found 11…",
                next_step="Do not use this medium. Find out where it has been.",
            ),
        ),
        bundle=Path("/media/crossing/alpha-7"),
    )


def hostile_report() -> CommandReport:
    """Every place that foreign text can reach holds the worst of it."""
    return CommandReport(
        command="audit",
        site=HOSTILE,
        exit_code=2,
        errors=(ErrorLine(kind=HOSTILE, message=HOSTILE, next_step=HOSTILE),),
        approvals=ApprovalOutcome(
            failed=(approval(1, HOSTILE, group=(HOSTILE, HOSTILE), action=HOSTILE),)
        ),
        missing=(missing_file(1, title=HOSTILE, kb=HOSTILE, file=HOSTILE, reason_text=HOSTILE),),
        findings=(
            Finding(id="hostile", severity="failure", evidence=HOSTILE, meaning=HOSTILE,
                    next_step=HOSTILE),
        ),
        sections=(
            Section(key="x", title=HOSTILE, note=HOSTILE,
                    facts=(Fact(label=HOSTILE, value=HOSTILE),),
                    columns=(Column(label=HOSTILE),), rows=((HOSTILE,),)),
        ),
        notices=(HOSTILE,),
        lines=(HOSTILE,),
        receipt_code=HOSTILE,
        titles={guid(1): HOSTILE},
    )  # fmt: skip
