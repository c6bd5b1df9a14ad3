"""Conflicts between the two sides' decisions, as lines of the document, a table and a CSV. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tasks.approvals.model import Approval, Decline, write_time
from tasks.approvals.plan_model import Conflict
from tasks.reports.decision_lines import ConflictLine, DecidedTerms
from tasks.reports.model import Column, Section
from tasks.reports.sections import MOST_ROWS, cut_note
from tasks.reports.tables import table_csv

_WINNERS = {"here": "this side", "wsus": "WSUS"}
_HEADINGS = (
    *("update_id", "revision", "title", "group", "subject", "last_applied", "incoming", "present"),
    *("winner", "reason", "reason_text"),
)


def conflict_lines(
    conflicts: Iterable[Conflict], titles: Mapping[str, str]
) -> tuple[ConflictLine, ...]:
    """Return conflicts as the document has them, with the titles of their updates."""
    return tuple(
        ConflictLine(
            update_id=conflict.overruled.update_id,
            revision=conflict.overruled.revision,
            group=conflict.overruled.group,
            subject=conflict.overruled.subject,
            title=titles.get(conflict.overruled.update_id, ""),
            last_applied=tuple(map(_terms, conflict.last)),
            incoming=tuple(map(_terms, conflict.incoming)),
            present=tuple(map(_terms, conflict.present)),
            winner=conflict.winner,
            reason=conflict.overruled.reason.value,
            reason_text=conflict.overruled.reason.sentence,
        )
        for conflict in conflicts
    )


def conflicts_section(conflicts: Sequence[ConflictLine]) -> Section:
    """Table of the staging side's decisions that were overruled here, with all three sides."""
    return Section(
        key="conflicts",
        title="Decided otherwise here",
        note="The staging side decided otherwise; what was decided here stands."
        + cut_note(conflicts, " "),
        columns=(
            Column(label="Update"),
            Column(label="Target group"),
            Column(label="Last applied"),
            Column(label="Incoming"),
            Column(label="Present"),
            Column(label="Won", kind="short"),
            Column(label="Why"),
        ),
        rows=tuple(
            (
                line.title or f"{line.update_id} revision {line.revision}",
                " / ".join(line.group),
                _words(line.last_applied),
                _words(line.incoming),
                _words(line.present),
                _WINNERS[line.winner],
                line.reason_text,
            )
            for line in conflicts[:MOST_ROWS]
        ),
    )


def conflicts_csv(conflicts: Iterable[ConflictLine]) -> bytes:
    """Return all conflicts as CSV, as ``table_csv`` writes it."""
    rows = (
        (
            line.update_id,
            line.revision,
            line.title,
            " / ".join(line.group),
            line.subject,
            _words(line.last_applied),
            _words(line.incoming),
            _words(line.present),
            line.winner,
            line.reason,
            line.reason_text,
        )
        for line in conflicts
    )
    return table_csv(_HEADINGS, rows)


def _terms(decision: Approval | Decline) -> DecidedTerms:
    if isinstance(decision, Decline):
        return DecidedTerms(decision="decline", revision=decision.revision)
    return DecidedTerms(
        decision="approval",
        revision=decision.revision,
        group=decision.group,
        action=decision.action.value,
        deadline=write_time(decision.deadline),
        optional=decision.optional,
    )


def _words(decisions: Sequence[DecidedTerms]) -> str:
    return "; ".join(map(_sentence, decisions)) or "nothing"


def _sentence(decision: DecidedTerms) -> str:
    if decision.decision == "decline":
        return "declined"
    option = ", optional" if decision.optional else ""
    deadline = f" by {decision.deadline}" if decision.deadline else ""
    return f"{decision.action}{option}{deadline} (revision {decision.revision})"
