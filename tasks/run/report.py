"""Draft of a run's report: every step adds to it, and the end of the run writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypedDict, Unpack

from pydantic import JsonValue

from tasks.approvals.plan_model import ApprovalPlan
from tasks.checks.finding import Finding
from tasks.logs import log
from tasks.metadata.audit import MissingFile
from tasks.reports.decision_lines import ConflictLine
from tasks.reports.inspection_lines import BroughtLine, SignerLine
from tasks.reports.model import ApprovalOutcome, Section

# Of all pairs of an update and a file that it lacks: a package may have billions of them.
MOST_MISSING_LISTED = 100_000


class Notes(TypedDict, total=False):
    """Single fields of ``CommandReport``, set by the steps as they learn the values."""

    bundle: Path
    sequence: int
    base: int | None
    files: int
    bytes: int
    placed: int
    approvals: ApprovalOutcome
    conflicts: tuple[ConflictLine, ...]
    titles: dict[str, str]
    missing: tuple[MissingFile, ...]
    unapproved_incomplete: int
    plan_digest: str
    receipt: Path
    receipt_code: str | None
    findings: tuple[Finding, ...]
    signers: tuple[SignerLine, ...]
    created: datetime
    brings: tuple[BroughtLine, ...] | None


@dataclass
class ReportDraft:
    """Report of a run so far; a failed run reports it too.

    Attributes:
        notices: Sentences that a person should know; a run with a notice ends flagged.
        ended_as: The name of the state in which a run without a flag ends; None: ``Completed``.
        flagged_missing: The missing content that flags the run; None: all missing content does.
        flagged_findings: The findings of a check that flag the run.
        changes: Number of changes made on the server, by kind of change in words.
        still_paused: Sentence on downloads of WSUS that this run could not resume; a notice when
            the run ends.
        tried_plans: The plans of approvals that this run has begun to apply. There are several if
            the step was retried, and each lacks what the tries before it have done.
    """

    notes: Notes = field(default_factory=Notes)
    notices: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    details: dict[str, JsonValue] = field(default_factory=dict)
    changes: Counter[str] = field(default_factory=Counter)
    still_paused: str | None = None
    tried_plans: list[ApprovalPlan] = field(default_factory=list)
    ended_as: str | None = None
    flagged_missing: tuple[MissingFile, ...] | None = None
    flagged_findings: tuple[Finding, ...] = ()

    def notice(self, sentence: str) -> None:
        """Log a sentence that a person should know, and add it to the report."""
        log.warning(sentence)
        self.notices.append(sentence)

    def list_missing(self, files: Iterable[MissingFile]) -> tuple[MissingFile, ...]:
        """Take as many missing files as a report lists, and say so when there are more."""
        listed = tuple(islice(files, MOST_MISSING_LISTED + 1))
        if len(listed) > MOST_MISSING_LISTED:
            self.lines.append(
                f"more than {MOST_MISSING_LISTED:,} files are missing; the others are not listed"
            )
        return listed[:MOST_MISSING_LISTED]

    def note(self, **values: Unpack[Notes]) -> None:
        """Set fields of the report."""
        self.notes.update(values)

    @property
    def is_flagged(self) -> bool:
        """True if the run did its work and a person still has to look at something."""
        noted = self.notes.get("missing", ())
        missing = noted if self.flagged_missing is None else self.flagged_missing
        approvals = self.notes.get("approvals", ApprovalOutcome())
        waiting = approvals.unseen or approvals.undecided or approvals.failed
        return bool(self.notices or missing or waiting or self.flagged_findings)
