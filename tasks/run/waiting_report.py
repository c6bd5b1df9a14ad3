"""The commands ``held`` and ``parked``: what waits, since when, and what lets each go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import DECIDED_ALREADY, KINDS_BY_REASON, Ruling, Rulings
from tasks.errors import PackageError
from tasks.ledger.imports import Imports, RememberedDecision
from tasks.ledger.rulings import StoredRulings
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX
from tasks.names import UTC_SECOND, Side
from tasks.quantities import count, moment
from tasks.reports.decision_lines import RulingLine, WaitedFile
from tasks.reports.model import (
    ApprovalOutcome,
    Column,
    CommandReport,
    Section,
    WaitingLine,
)
from tasks.run.context import open_run_context
from tasks.run.let_go import command_for, way_out
from tasks.run.made_by import made_by
from tasks.run.waiting_decisions import WaitingState, as_waiting, subject_of

_TITLES = {"parked": "Parked approvals", "held": "Held decisions"}
_SUBJECTS = {"approval": "", "removal": "Remove ", "decline": "Decline"}
_MOST_NAMES = 50


def read_waiting(site: str, state: WaitingState, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read what waits from the ledger; nothing connects to a server.

    Args:
        site: The site's name.
        state: The list: ``held`` or ``parked``.
        clock: Gives the time now, UTC.

    Raises:
        WrongSideError: The site file is for the staging side.
        HostFileError: The ledger is damaged.
    """
    with open_run_context(site, command=state, side=Side.DISCONNECTED, clock=clock) as run:
        rulings = StoredRulings(run.ledger).in_force(clock())
        lines = describe_waiting(run.imports, state, rulings, run.site.path)
        tables = [waiting_table(_TITLES[state], lines)] if lines else []
        tables += [rulings_table(rulings)] if rulings else []
        outcome = ApprovalOutcome.model_validate({state: lines})
        return CommandReport(
            command=state,
            site=run.site.name,
            made_by=made_by(run.site, run.ledger, by_api=run.by_api),
            approvals=outcome,
            sections=tuple(tables),
            tables=tuple(tables),
            details={"decisions": rulings_json(rulings)},
            lines=(
                *_ways_out(lines, run.site.path),
                f"{_TITLES[state]}: {count(len(lines))}"
                + (f", the oldest since {_oldest(lines)}" if lines else ""),
            ),
            next_step=_next_step(state, lines),
        )


def describe_waiting(
    imports: Imports,
    state: WaitingState,
    rulings: Iterable[Ruling],
    site_file: Path,
    *,
    most: int | None = None,
) -> tuple[WaitingLine, ...]:
    """Return the waiting decisions of a list, with what is known of their updates.

    Args:
        imports: The imports, whose ledger has the list.
        state: The list.
        rulings: The rulings in force.
        site_file: Path of the site file, for commands that can be pasted.
        most: Largest number of lines; None: all.
    """
    newest = imports.newest()
    with ExitStack() as stack:
        index = None
        if newest is not None:
            with suppress(PackageError):  # its titles are then left out
                index = stack.enter_context(PackageIndex(newest.folder / INDEX))
        sources = _Sources(imports, Rulings(rulings), index, site_file)
        decisions = islice(imports.decisions(state), most)
        return tuple(_describe(sources, decision) for decision in decisions)


@dataclass(frozen=True, slots=True)
class _Sources:
    imports: Imports
    rulings: Rulings
    index: PackageIndex | None
    site_file: Path


def _describe(sources: _Sources, decision: RememberedDecision) -> WaitingLine:
    imports, rulings, index = sources.imports, sources.rulings, sources.index
    body = decision.document
    waiting = as_waiting(decision)
    reason = waiting.reason if waiting is not None else None
    ruling = rulings.newest_about(waiting) if waiting is not None else None
    key = (decision.update_id, decision.revision)
    record = index and (index.revision(*key) or index.latest(decision.update_id))
    files = imports.missing.of_revision(*key) if reason is Reason.CONTENT_MISSING else ()
    return WaitingLine(
        update_id=decision.update_id,
        revision=decision.revision,
        group=tuple(body.get("group") or ()),
        action=body.get("action"),
        deadline=body.get("deadline"),
        optional=bool(body.get("optional")),
        reason=decision.reason,
        is_acknowledged=waiting is not None and rulings.acknowledges(waiting),
        subject=subject_of(body),
        title=record.title if record else "",
        kb=record.kb if record else "",
        product=", ".join(index.titles_of(*record.key, "category")) if index and record else "",
        since=_time(decision.since),
        reason_text=reason.sentence if reason else "",
        next_step=_next_for(reason, decision.update_id, sources.site_file),
        files=tuple(
            WaitedFile(
                file=file.file or None,
                size_bytes=file.size_bytes,
                reason=file.reason,
                reason_text=file.reason_text,
                since=file.since.astimezone(UTC).strftime(UTC_SECOND),
            )
            for file in files
        ),
        decision=ruling_line(ruling) if ruling else None,
    )


def _next_for(reason: Reason | None, update_id: str, site_file: Path) -> str:
    if reason is None:
        return ""
    return f"{way_out(reason)}: {command_for(reason, [update_id], site_file)}"


def ruling_line(ruling: Ruling) -> RulingLine:
    """Return a ruling as the document has it."""
    return RulingLine(
        number=ruling.number,
        decision=ruling.kind,
        update_id=ruling.update_id,
        revision=ruling.revision,
        group=ruling.group,
        title=ruling.title,
        kb=ruling.kb,
        reason=ruling.reason,
        account=ruling.account,
        decided=ruling.decided.astimezone(UTC).strftime(UTC_SECOND),
        until=_time(ruling.until),
    )


def waiting_table(title: str, lines: Sequence[WaitingLine]) -> Section:
    """Make the table of waiting decisions."""
    return Section(
        key="waiting",
        title=title,
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="Product"),
            Column(label="Target group"),
            Column(label="Decision"),
            Column(label="Since", kind="short"),
            Column(label="Waits for"),
            Column(label="Decided here"),
        ),
        rows=tuple(
            (
                line.title or f"{line.update_id} revision {line.revision}",
                line.kb,
                line.product,
                " / ".join(line.group),
                _request(line),
                (line.since or "")[:10],
                _waits_for(line),
                line.decision.decision.value if line.decision else "",
            )
            for line in lines
        ),
    )


def _request(line: WaitingLine) -> str:
    terms = "".join(
        (
            line.action or "",
            ", optional" if line.optional else "",
            f" by {line.deadline}" if line.deadline else "",
        )
    )
    return f"{_SUBJECTS[line.subject]}{terms}"


def _waits_for(line: WaitingLine) -> str:
    names = ", ".join(file.file or "unknown files" for file in line.files)
    return f"{line.reason}: {names}" if names else f"{line.reason}"


def rulings_table(rulings: Iterable[Ruling]) -> Section:
    """Make the table of the rulings in force."""
    return Section(
        key="decisions",
        title="Decisions in force",
        columns=(
            Column(label="Decision", kind="short"),
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="Target group"),
            Column(label="Reason"),
            Column(label="By", kind="short"),
            Column(label="When", kind="short"),
            Column(label="Until", kind="short"),
        ),
        rows=tuple(
            (
                ruling.kind.value,
                ruling.title or f"{ruling.update_id} revision {ruling.revision}",
                ruling.kb,
                " / ".join(ruling.group),
                ruling.reason,
                ruling.account,
                moment(ruling.decided),
                moment(ruling.until) if ruling.until else "it is revoked",
            )
            for ruling in rulings
        ),
    )


def _ways_out(lines: Sequence[WaitingLine], site_file: Path) -> Iterator[str]:
    """Say for each reason what lets go what waits for it, with one command for all of it."""
    for reason in Reason:
        waiting = [line for line in lines if line.reason == reason]
        if reason is not Reason.REJECTED:
            waiting = [line for line in waiting if line.decision is None]
        names = sorted({line.update_id for line in waiting if line.update_id})
        if not waiting:
            continue
        verb = (
            "" if reason in KINDS_BY_REASON or reason is Reason.REJECTED else " (or has been seen)"
        )
        yield f"{reason.value}: {count(len(waiting))}. {reason.sentence}"
        yield f"    {way_out(reason)}{verb}:"
        yield f"    {command_for(reason, names[:_MOST_NAMES], site_file)}"
        if len(names) > _MOST_NAMES:
            yield f"    and {count(len(names) - _MOST_NAMES)} updates more"
        yield ""


def _next_step(state: WaitingState, lines: Sequence[WaitingLine]) -> str:
    if all(line.decision or line.reason in DECIDED_ALREADY for line in lines):
        return "Nothing: no person has to decide."
    if state == "held":
        return "Decide with one of the commands above; it is in force at the next import or audit."
    return "Have the next bundle bring the files (shopping-list.json of the last report)."


def _oldest(lines: Sequence[WaitingLine]) -> str:
    return min((line.since for line in lines if line.since), default="an unknown time")


def _time(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).strftime(UTC_SECOND)


def rulings_json(rulings: Iterable[Ruling]) -> list[JsonValue]:
    """Return rulings as values of the document."""
    return [line.model_dump(mode="json") for line in map(ruling_line, rulings)]
