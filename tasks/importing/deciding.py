"""The command ``decide``: record what a person decides about something that waits.

Nothing on the server changes: a ruling is in force at the next import or audit. It holds for every
entry that waits now, by its group; what comes to wait later is not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tasks.approvals.group_paths import read_path
from tasks.approvals.model import ALL_COMPUTERS, UNASSIGNED_COMPUTERS, Action, GroupPath, fold
from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import KINDS_BY_REASON, Ruling, RulingKind
from tasks.errors import UsageError
from tasks.ledger.imports import Imports
from tasks.ledger.rulings import StoredRulings
from tasks.ledger.store import Ledger
from tasks.names import Side
from tasks.quantities import count
from tasks.reports.model import CommandReport, WaitingLine
from tasks.run.context import RunContext, open_run_context
from tasks.run.custody import record_event, who_of
from tasks.run.ending import begin_run, close_run
from tasks.run.report import ReportDraft
from tasks.run.waiting_report import describe_waiting, rulings_json, rulings_table

_DONE = {
    RulingKind.ACCEPT_LICENCE: "the terms are accepted on the server, and the approval is applied",
    RulingKind.APPLY: "it is applied",
    RulingKind.REJECT: "it is never applied",
    RulingKind.ACKNOWLEDGE: "it is listed, and alone no longer flags a run",
}


@dataclass(frozen=True, slots=True)
class Given:
    """The fields of the command, or of the flow's form, as they were given.

    Attributes:
        names: Numbers of KB articles, or ids of updates.
        kind: The decision; None if there is none.
        reason: The person's reason.
        group: Path of a group; None: every group.
        until: The last day, like ``2031-05-31``; None: until it is revoked.
        revoke: True to revoke such decisions.
    """

    names: tuple[str, ...]
    kind: str | None
    reason: str | None
    group: str | None
    until: str | None
    revoke: bool


@dataclass(frozen=True, slots=True)
class Request:
    """A person's decision as it was given.

    Attributes:
        names: Numbers of KB articles, or ids of updates.
        kind: The ruling; None to revoke whatever is in force.
        reason: The person's reason.
        group: The group to which it is narrowed; None: every group in which the updates wait.
        until: Time at which it ends; None: when it is revoked.
        is_revocation: True to revoke such rulings.
        account: Account of the person.
    """

    names: tuple[str, ...]
    kind: RulingKind | None
    reason: str
    group: GroupPath | None
    until: datetime | None
    is_revocation: bool
    account: str


def read_request(given: Given, *, account: str, now: datetime) -> Request:
    """Read the fields of the command, or of the flow's form.

    Args:
        given: The fields as a person gave them.
        account: Account of the person, or that it was the API.
        now: The time now.

    Raises:
        UsageError: A field is missing or wrong.
    """
    kinds = [kind.value for kind in RulingKind]
    if not given.names:
        raise UsageError(
            reason="no update is named",
            remedy="Name KB articles or ids of updates, then the decision: "
            "`wsus-airgap decide KB5031234 apply --reason WHY`; `wsus-airgap held` lists them.",
        )
    if given.kind is None and not given.revoke:
        raise UsageError(
            reason=f"the decision is missing: {given.names[-1]!r}, the last word, is none of "
            + ", ".join(kinds)
        )
    if given.kind is not None and given.kind not in kinds:
        raise UsageError(reason=f"expected one of {', '.join(kinds)}, found {given.kind!r}")
    if not (given.reason or "").strip() and not given.revoke:
        raise UsageError(
            reason="a decision needs its reason: it stands in the record",
            remedy='Add --reason "WHY".',
        )
    return Request(
        names=given.names,
        kind=None if given.kind is None else RulingKind(given.kind),
        reason=(given.reason or "").strip(),
        group=None if given.group is None else read_group(given.group),
        until=None if given.until is None else read_until(given.until, now=now),
        is_revocation=given.revoke,
        account=account,
    )


def read_group(text: str) -> GroupPath:
    """Read a group as ``held`` shows it, or as the site file writes it.

    Raises:
        UsageError: It is no path of a group.
    """
    names = tuple(text.split(" / "))
    if fold(names[:1]) == fold(ALL_COMPUTERS):
        return names
    if len(names) > 1 or fold(names) == fold(UNASSIGNED_COMPUTERS[1:]):
        return (*ALL_COMPUTERS, *names)
    try:
        return read_path(text)
    except ValueError as error:
        raise UsageError(reason=f"--group: {error}") from None


def read_until(text: str, *, now: datetime) -> datetime:
    """Read the last day of a ruling; it ends with that day, in UTC.

    Raises:
        UsageError: It is no date, or the day is over.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            reason=f"--until: expected a date like 2031-05-31, found {text!r}"
        ) from None
    end = datetime.combine(day, time(), UTC) + timedelta(days=1)
    if end <= now:
        raise UsageError(reason=f"--until: {text} is over")
    return end


def carry_out(site: str, given: Given, *, clock: Callable[[], datetime]) -> CommandReport:
    """Carry out the command as a run of its own, without Prefect.

    Args:
        site: The site's name.
        given: The fields as a person gave them.
        clock: Gives the time now, UTC.

    Raises:
        UsageError: Nothing was recorded.
    """
    with open_run_context(site, command="decide", side=Side.DISCONNECTED, clock=clock) as run:
        record_decision(run, given)
        begin_run(run)  # a slip of the pen is no run
        return close_run(run, None).model_copy(update={"tables": tuple(run.report.sections)})


def record_decision(run: RunContext, given: Given) -> None:
    """Record a decision, and that it was made in the custody log.

    Raises:
        UsageError: It cannot be read, or decides nothing; nothing was recorded.
    """
    request = read_request(given, account=who_of(run), now=run.clock())
    decide(run.ledger, run.report, request, site_file=run.site.path, now=run.clock())
    verb = "revoked " if request.is_revocation else ""
    kind = request.kind.value if request.kind else "whatever was decided"
    group = f" for {' / '.join(request.group)}" if request.group else ""
    reason = f": {request.reason}" if request.reason else ""
    record_event(run, "decided", f"{verb}{kind} {', '.join(request.names)}{group}{reason}")


def split_words(words: Sequence[str]) -> tuple[tuple[str, ...], str | None]:
    """Split the words of the command into names of updates and the decision, which comes last."""
    if words and words[-1] in {kind.value for kind in RulingKind}:
        return tuple(words[:-1]), words[-1]
    return tuple(words), None


def decide(
    ledger: Ledger, report: ReportDraft, request: Request, *, site_file: Path, now: datetime
) -> None:
    """Record a decision about all that waits under the names, or revoke such decisions.

    Raises:
        UsageError: Nothing waits there that such a decision could let go; nothing was recorded.
    """
    stored = StoredRulings(ledger)
    if request.is_revocation:
        _revoke(stored, report, request, now=now)
        return
    kind = request.kind
    if kind is None:
        raise UsageError(reason="the decision is missing")
    imports = Imports(ledger)
    in_force = stored.in_force(now)
    lines = [
        line
        for state in ("parked", "held")
        for line in describe_waiting(imports, state, in_force, site_file)
    ]
    chosen = _select(lines, request)
    taken = [line for line in chosen if _helps(kind, line)]
    if not taken:
        raise _nothing_to_decide(kind, chosen)
    rulings = [_ruling(line, kind, request, now=now) for line in taken]
    stored.record(rulings)
    _report(stored, report, rulings, now=now)
    for line in chosen:
        if line not in taken:
            report.lines.append(
                f"not decided: {_name(line)} for {' / '.join(line.group) or 'all'} waits for "
                f"{line.reason}. {line.next_step}"
            )
    if kind is not RulingKind.ACKNOWLEDGE or request.until is not None:
        report.lines.append(f"At the next import or audit {_DONE[kind]}.")
    else:
        report.lines.append(f"From now on {_DONE[kind]}, until it changes.")


def _select(lines: Sequence[WaitingLine], request: Request) -> list[WaitingLine]:
    """Return the waiting lines under the names, for the group.

    Raises:
        UsageError: Nothing waits under one of the names.
    """
    selected: list[WaitingLine] = []
    for name in request.names:
        matching = [line for line in lines if _is_named(name, line.update_id or "", line.kb)]
        if not matching:
            raise UsageError(
                reason=f"nothing waits under {name}",
                remedy="`wsus-airgap held` and `wsus-airgap parked` list what waits.",
            )
        if request.group is not None:
            groups = sorted({" / ".join(line.group) for line in matching})
            matching = [line for line in matching if fold(line.group) == fold(request.group)]
            if not matching:
                raise UsageError(
                    reason=f"{name} does not wait for {' / '.join(request.group)}; it waits for "
                    + "; ".join(groups),
                    remedy="Name one of these groups with --group, or leave --group out.",
                )
        selected += [line for line in matching if line not in selected]
    return selected


def _is_named(name: str, update_id: str, kb: str) -> bool:
    text = name.strip().lower()
    number = kb.lower().removeprefix("kb")
    return text == update_id or (bool(number) and text.removeprefix("kb") == number)


def _helps(kind: RulingKind, line: WaitingLine) -> bool:
    reason = _reason(line)
    if reason is None:
        return False
    if kind in (RulingKind.REJECT, RulingKind.ACKNOWLEDGE):
        return reason is not Reason.GROUP_LEFT_OUT and (
            kind is RulingKind.REJECT or reason is not Reason.REJECTED
        )
    if reason is Reason.REJECTED:
        return kind is RulingKind.APPLY
    return KINDS_BY_REASON.get(reason) is kind and not _is_void(line)


def _is_void(line: WaitingLine) -> bool:
    """Return True for a block of All Computers, which WSUS refuses."""
    return line.action == Action.NOT_APPROVED and fold(line.group) == fold(ALL_COMPUTERS)


def _nothing_to_decide(kind: RulingKind, lines: Iterable[WaitingLine]) -> UsageError:
    reasons = sorted({line.reason or "" for line in lines})
    ways = "; ".join(dict.fromkeys(line.next_step for line in lines))
    return UsageError(
        reason=f"{kind.value} cannot let go what waits for {', '.join(reasons)}",
        remedy=ways,
    )


def _reason(line: WaitingLine) -> Reason | None:
    reasons = {reason.value: reason for reason in Reason}
    return reasons.get(line.reason or "")


def _name(line: WaitingLine) -> str:
    return line.kb or line.title or line.update_id or ""


def _ruling(line: WaitingLine, kind: RulingKind, request: Request, *, now: datetime) -> Ruling:
    return Ruling(
        kind=kind,
        subject=line.subject,
        update_id=line.update_id or "",
        revision=line.revision or 0,
        group=line.group,
        action=None if line.action is None else Action(line.action),
        deadline=None if line.deadline is None else datetime.fromisoformat(line.deadline),
        optional=line.optional,
        waited_for=Reason(line.reason or ""),
        reason=request.reason,
        account=request.account,
        decided=now,
        until=request.until,
        is_narrowed=request.group is not None,
        title=line.title,
        kb=line.kb,
    )


def _revoke(stored: StoredRulings, report: ReportDraft, request: Request, *, now: datetime) -> None:
    chosen = [
        ruling
        for ruling in stored.in_force(now)
        if any(_is_named(name, ruling.update_id, ruling.kb) for name in request.names)
        and request.kind in (None, ruling.kind)
        and (request.group is None or fold(ruling.group) == fold(request.group))
    ]
    if not chosen:
        raise UsageError(
            reason=f"no such decision is in force about {', '.join(request.names)}",
            remedy="`wsus-airgap held` lists the decisions in force.",
        )
    numbers = [ruling.number for ruling in chosen]
    stored.revoke(numbers, account=request.account, reason=request.reason or "revoked", now=now)
    table = rulings_table(chosen).model_copy(update={"title": "Revoked"})
    report.sections.append(table)
    report.details["revoked"] = list(numbers)
    report.lines.append(
        f"{count(len(chosen), 'decision is', 'decisions are')} revoked; what was applied by then "
        "stays on the server"
    )


def _report(
    stored: StoredRulings, report: ReportDraft, rulings: Sequence[Ruling], *, now: datetime
) -> None:
    entries = {(ruling.entry, ruling.kind) for ruling in rulings}
    recorded = [ruling for ruling in stored.in_force(now) if (ruling.entry, ruling.kind) in entries]
    report.sections.append(rulings_table(recorded).model_copy(update={"title": "Decided"}))
    report.details["decided"] = rulings_json(recorded)
    report.lines.append(f"{count(len(recorded), 'decision is', 'decisions are')} recorded")
