"""The command ``repair``: a plan is shown, confirmed, carried out, and can be undone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import NotKnownError
from tasks.checks.judgement import judge
from tasks.checks.rules import ALL
from tasks.errors import AirGapError, NotExaminedError, UsageError
from tasks.ledger.repairs import RepairRecord, Repairs
from tasks.refusals import PlanUnconfirmedError, ServerChangedError, ServerUnfitError
from tasks.repairs.carry_out import carry_out, synchronise
from tasks.repairs.plan import RepairPlan, offer_of, plan_repair, plan_undo
from tasks.repairs.reset import count_states, reset_content
from tasks.reports.model import Column, CommandReport, Section
from tasks.run.context import RunContext, open_run_context
from tasks.run.ending import begin_run, close_run, stopped
from tasks.run.report import ReportDraft
from tasks.server import queries
from tasks.server.examination import gather, topics_for
from tasks.server.running_wsusutil import require_no_wsusutil
from tasks.site.reading import require_side
from tasks.site.settings import Site

Ask = Callable[[Sequence[str]], bool]
"""Shows lines to a person, and gives True if the person agrees to them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The wish of the person who gives the command.

    Attributes:
        finding: Id of the finding.
        is_undo: True to put back what an earlier repair changed.
        confirm: Digest of the plan that the person agrees to.
        ask: Asks the person at the terminal; None if nobody sits there.
    """

    finding: str
    is_undo: bool = False
    confirm: str | None = None
    ask: Ask | None = None


def repair(
    site: str, wish: Wish, *, take_over: str | None, clock: Callable[[], datetime]
) -> CommandReport:
    """Carry out the repair that a finding offers, or undo it, and report it.

    Args:
        site: Name of the site.
        wish: The finding, and how its repair is meant.
        take_over: Reason for which a lock may be taken over; None: never.
        clock: Gives the time now, UTC.
    """
    with open_run_context(
        site, command="repair", side=None, clock=clock, take_over=take_over
    ) as run:
        begin_run(run)
        fault: Exception | None = None
        try:
            _require_offer(run.site, wish)
            _repair(run, wish)
        except KeyboardInterrupt:
            fault = stopped(run)
        except NotKnownError as unknown:
            fault = NotExaminedError(reason=f"{unknown} cannot be read")
        except (AirGapError, OSError, sqlite3.Error) as error:
            fault = error
        return close_run(run, fault)


def _require_offer(site: Site, wish: Wish) -> None:
    """Require that the finding has a repair on this side, and that the site file allows it.

    Raises:
        UsageError: The finding has none, or it is a reset and the site file does not offer it.
        WrongSideError: The site file is for the other side.
    """
    offer = offer_of(wish.finding)
    if site.side not in offer.sides:
        (side,) = offer.sides
        require_side(site, side, f"repair {wish.finding}")
    if offer.resets and site.policy.wsusutil_reset != "ask":
        raise UsageError(
            reason=f"the repair of {wish.finding} is `wsusutil reset`, and the site file does not "
            "allow it",
            remedy='Read event 364 first. Then set [policy] wsusutil_reset = "ask" in the site '
            "file, and run the same command again: it shows what it would do and asks.",
        )


def _repair(run: RunContext, wish: Wish) -> None:
    finding, is_undo = wish.finding, wish.is_undo
    plan, _ = _plan(run, finding, is_undo=is_undo)
    if plan is None:
        what = "undo: no repair of" if is_undo else "repair: the check does not find"
        run.report.lines.append(f"nothing to {what} {finding}")
        return
    _describe(run.report, plan)
    _require_confirmed(plan, wish)
    run.make_folders()
    run.lock_server()
    require_no_wsusutil(run)
    # What was confirmed may have been done, or changed, by somebody else meanwhile.
    again, facts = _plan(run, finding, is_undo=is_undo)
    if again is None or again.digest != plan.digest:
        raise ServerChangedError(
            reason="the server has changed since the plan was made; nothing was changed",
            remedy="Run the same command again without --confirm, and read the new plan.",
        )
    _require_at_rest(facts)
    repairs, record = Repairs(run.ledger), _record(run, plan)
    if not is_undo:
        repairs.begin(record)
    if plan.resets is not None:
        if reset_content(run, facts, dict(plan.resets), record.begun):
            repairs.finish(record, now=run.clock())
        return
    carry_out(run, plan)
    if is_undo:
        repairs.finish_undo(record, now=run.clock())
        return
    repairs.finish(record, now=run.clock())
    if plan.synchronises:
        synchronise(run, facts.synchronisation)


def _plan(run: RunContext, finding: str, *, is_undo: bool) -> tuple[RepairPlan | None, Facts]:
    """Read the server and plan; None if there is nothing to do. A repair cut short goes on.

    Raises:
        ServerChangedError: The repair in the ledger was done on another server.
    """
    # Our own folder need not exist there yet; this one is removed when the host is closed.
    answer = queries.read_topics(
        run, topics=topics_for(run.site.side), folder=run.server.request_folder()
    )
    facts = gather(run, answer)
    server_id = answer.facts.server_id
    record = Repairs(run.ledger).newest(finding)
    earlier = None if record is None else RepairPlan.model_validate_json(record.plan)
    if earlier is not None and earlier.server_id != server_id:
        if is_undo:
            raise ServerChangedError(
                reason=f"the repair was done on server {earlier.server_id}, this is {server_id}",
                remedy="The old values belong to another server; put nothing back here.",
            )
        record = earlier = None
    if is_undo:
        return (None if earlier is None else plan_undo(earlier)), facts
    offer_of(finding).require(facts)
    if earlier is not None and record is not None and record.done is None:
        return earlier, facts
    if judge(facts, ALL).finding(finding) is None:
        return None, facts
    resets = offer_of(finding).resets
    states = count_states(queries.read_approvals(run)) if resets else ()
    return plan_repair(finding, facts, states=states), facts


def _record(run: RunContext, plan: RepairPlan) -> RepairRecord:
    """The record of an unfinished repair goes on under the run that began it."""
    newest = Repairs(run.ledger).newest(plan.finding)
    if newest is not None and (plan.is_undo or newest.done is None):
        return newest
    return RepairRecord(
        run=run.run_id, finding=plan.finding, plan=plan.model_dump_json(), begun=run.clock()
    )


def _require_confirmed(plan: RepairPlan, wish: Wish) -> None:
    """Require a person's agreement to a plan.

    Raises:
        PlanUnconfirmedError: The digest is another plan's, the person says no, or nobody is asked.
    """
    summary = f"{'undo the repair' if plan.is_undo else 'repair'} of {plan.finding}"
    if wish.confirm is not None and wish.confirm.lower() == plan.digest:
        return
    if wish.confirm is not None:
        summary += "; the digest that was given is another plan's"
    elif wish.ask is not None and wish.ask((*plan.sentences, *offer_of(plan.finding).warnings)):
        return
    raise PlanUnconfirmedError(summary=summary, plan_digest=plan.digest)


def _require_at_rest(facts: Facts) -> None:
    """Require that no synchronisation is running, which a restart would break off.

    Raises:
        ServerUnfitError: One is running.
    """
    if facts.server is not None and facts.server.synchronization != "NotProcessing":
        raise ServerUnfitError(
            side=facts.side.value,
            reason="a synchronisation is running, and the restart would break it off",
            remedy="Wait until it has ended, then run the same command again.",
        )


def _describe(report: ReportDraft, plan: RepairPlan) -> None:
    """Put the plan, its warnings and its digest into the report."""
    report.note(plan_digest=plan.digest)
    warnings = offer_of(plan.finding).warnings
    report.sections.append(
        Section(
            key="repair",
            title="Undoing of a repair" if plan.is_undo else "Repair",
            note=" ".join(warnings),
            columns=(Column(label="Step"),),
            rows=tuple((sentence,) for sentence in plan.sentences),
        )
    )
    report.lines += [*(f"plan: {step}" for step in plan.sentences), *warnings]
