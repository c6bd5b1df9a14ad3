"""The occasions on which people are told, and the words of a notification.

A notification holds the site's name, the run's name and counts: nothing of what a bundle carries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.errors import StoppedError
from tasks.names import Occasion
from tasks.quantities import count
from tasks.reports.model import ApprovalOutcome, CommandReport

_WAITS = "waits for an answer in Prefect's page"
_OUTCOMES = {"done": "is done", "flagged": "is flagged", "refused": "was refused"}


@dataclass(frozen=True, slots=True)
class Message:
    """A notification: one line, and a few more."""

    title: str
    body: str


def occasion_of(report: CommandReport, *, is_news: bool) -> Occasion | None:
    """Return the occasion that the end of a run is; None if nobody has to be told.

    Args:
        report: The report of the run.
        is_news: True if something is flagged that was not flagged by the run before it.
    """
    if any(error.kind == StoppedError.kind for error in report.errors):
        return None  # a person stopped it, and knows
    if report.outcome == "flagged":
        return "flagged-new" if is_news else None
    if report.outcome in ("failed", "refused"):
        return report.outcome
    return None


def flagged_items(report: CommandReport) -> frozenset[str]:
    """Return a short digest of each thing that flags a run, by which the next run knows it again.

    The digests say nothing to anybody else, so that they may lie in the ledger for ever.
    """
    approvals = report.approvals or ApprovalOutcome()
    waiting = (*approvals.parked, *approvals.undecided, *approvals.failed)
    items: list[Iterable[object]] = [
        *(
            (line.update_id, line.revision, line.group, line.action, line.reason)
            for line in waiting
        ),
        *((file.update_id, file.file, file.reason.value) for file in report.missing or ()),
        *(("finding", finding.id) for finding in report.findings or ()),
        *(("notice", sentence) for sentence in report.notices),
    ]
    return frozenset(_digest(item) for item in items)


def message_of(report: CommandReport, occasion: Occasion, *, waits: bool = False) -> Message:
    """Word the notification about the end of a run; ``waits``: it is suspended for an answer."""
    words = "flagged something new" if occasion == "flagged-new" else f"was {occasion}"
    words = "failed" if occasion == "failed" else words
    return _message(report, _WAITS if waits else words)


def end_message(report: CommandReport, *, waits: bool = False) -> Message:
    """Word the end of a run, whatever it is, for a log."""
    return _message(report, _WAITS if waits else _OUTCOMES.get(report.outcome, report.outcome))


def _message(report: CommandReport, words: str) -> Message:
    lines = [f"Run {report.run or report.command}, exit code {report.exit_code}."]
    approvals = report.approvals or ApprovalOutcome()
    counts = (
        (len(report.missing or ()), "file is missing", "files are missing"),
        (len(approvals.parked), "approval is parked", "approvals are parked"),
        (len(approvals.held), "decision is held", "decisions are held"),
        (len(approvals.failed), "approval failed", "approvals failed"),
        (len(report.findings or ()), "finding", "findings"),
        (len(report.notices), "notice", "notices"),
    )
    lines += [f"{count(number, noun, plural)}." for number, noun, plural in counts if number]
    if report.errors:
        lines.append(f"Kind of error: {report.errors[0].kind}.")
    return Message(_title(report.site, report.command, words), " ".join(lines))


def crash_message(site: str, command: str, run: str) -> Message:
    """Word the notification about a run whose process went away."""
    body = f"Run {run}: its process is gone. Run the same command again."
    return Message(_title(site, command, "crashed"), body)


def late_message(site: str, newest: str, age_days: int, limit_days: int) -> Message:
    """Word the notification about a chain that went quiet."""
    body = f"The newest bundle, {newest}, is {age_days} days old; the limit is {limit_days}."
    return Message(_title(site, "", "no new bundle came"), body)


def _title(site: str | None, command: str, words: str) -> str:
    return " ".join(filter(None, ("wsus-airgap:", site, command, words)))


def _digest(item: Iterable[object]) -> str:
    text = json.dumps(list(item), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
