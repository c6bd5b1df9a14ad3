"""A repair carried out: settings and restarts, then the synchronisation is watched."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.synchronisation import Synchronisation
from tasks.checks.finding import is_at_least
from tasks.checks.judgement import judge
from tasks.checks.rules import endpoint, log, proxy, synchronisation, tls
from tasks.errors import ScriptFailedError, ServiceDownError
from tasks.hosts.host import Json
from tasks.logs import log as logger
from tasks.refusals import ServerChangedError
from tasks.repairs.plan import RepairPlan
from tasks.reports.check_sections import findings_section
from tasks.run.context import RunContext
from tasks.server import queries
from tasks.server.examination import gather
from tasks.server.running_wsusutil import require_no_wsusutil

# What tells whether a synchronisation now runs cleanly.
_WATCHED_TOPICS = ("configuration", "synchronisation", "machine", "tls", "log", "events")
_WATCHED_RULES = (
    *endpoint.RULES,
    *tls.RULES,
    *proxy.RULES,
    *synchronisation.RULES,
    *log.RULES,
)
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 15.0
# A synchronisation that was started stands in the history within this time.
_BEGINNING_SECONDS = 60.0


def carry_out(run: RunContext, plan: RepairPlan) -> None:
    """Set the settings of a plan and restart its services; what is set already stays.

    Raises:
        WsusutilRunningError: A wsusutil began since the run looked last; nothing was changed.
        ServerChangedError: A setting has neither the old value of the plan nor the new one; nothing
            was changed.
        ServiceDownError: A restart failed; run again, the repair goes on.
    """
    requests = [
        {
            "where": change.where,
            "key": change.key,
            "name": change.name,
            "from": change.before,
            "to": change.after,
        }
        for change in plan.changes
    ]
    with queries.answer_errors("apply-repair"):
        answer = [
            *queries.run_query(run, "apply-repair", {"restarts": list(plan.restarts)}, requests)
        ]
    _require_unhindered(run, answer)
    for line in answer:
        if line["kind"] == "setting" and line["result"] == "done":
            run.report.changes["settings set"] += 1
    run.report.lines += [f"done: {sentence}" for sentence in _done(plan)]
    for line in answer:
        if line["kind"] == "restart" and line["problem"] is not None:
            raise ServiceDownError(
                service=line["what"], state=f"in doubt ({line['problem']})", side=run.site.side
            )


def _done(plan: RepairPlan) -> tuple[str, ...]:
    return plan.sentences[: len(plan.changes) + len(plan.restarts)]


def _require_unhindered(run: RunContext, answer: Sequence[Json]) -> None:
    if any(line["kind"] == "beside" for line in answer):
        require_no_wsusutil(run)
        raise ScriptFailedError(
            script="apply-repair",
            reason="a wsusutil worked for a moment, and nothing was changed beside it",
        )
    differing = [line for line in answer if line.get("result") == "differs"]
    if differing:
        values = ", ".join(f"{line['name']} is now {line['value']}" for line in differing)
        raise ServerChangedError(
            reason=f"settings were changed by somebody else since: {values}; nothing was changed",
            remedy="Find out who set them, and put them right by hand in the WSUS console; "
            "`wsus-airgap check` shows how they stand.",
        )


def synchronise(run: RunContext, before: Synchronisation | None) -> None:
    """Start a synchronisation, wait for its end, and report what log and history show of it.

    Args:
        run: The run; a finding about the synchronisation flags it.
        before: The history before the repair.
    """
    # The service was restarted a moment ago; its API may need a while, and is asked until it does.
    queries.read_running_topics(run, topics=())
    for _ in queries.run_query(run, "start-synchronisation"):
        pass
    logger.info("a synchronisation was started; waiting for its end")
    facts = _wait(run, before)
    if facts is None:
        return
    history = facts.synchronisation
    newest = None if history is None else history.newest
    if newest is not None:
        run.report.lines.append(f"synchronisation: {newest.result} {newest.error_text}".rstrip())
    findings = judge(facts, _WATCHED_RULES).findings
    if findings:
        run.report.note(findings=findings)
        run.report.sections.append(findings_section(findings))
        run.report.flagged_findings = tuple(
            finding for finding in findings if is_at_least(finding.severity, "warning")
        )
    else:
        run.report.lines.append("SoftwareDistribution.log shows no new error since")


def _wait(run: RunContext, before: Synchronisation | None) -> Facts | None:
    """Ask until the synchronisation has ended; None if it did not within the site's limit."""
    began = time.monotonic()
    pause = _FIRST_PAUSE_SECONDS
    while True:
        facts = gather(run, queries.read_topics(run, topics=_WATCHED_TOPICS))
        waited_seconds = time.monotonic() - began
        is_new = _newest(facts.synchronisation) != _newest(before)
        if _is_at_rest(facts) and (is_new or waited_seconds > _BEGINNING_SECONDS):
            if not is_new:
                run.report.notice("the history shows no new synchronisation; start one by hand")
            return facts
        if waited_seconds > run.site.server.command_limit_hours * 3_600:
            run.report.notice("the synchronisation still runs; `wsus-airgap check` judges its end")
            return None
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)


def _is_at_rest(facts: Facts) -> bool:
    return facts.server is not None and facts.server.synchronization == "NotProcessing"


def _newest(history: Synchronisation | None) -> object:
    """A value that changes when a synchronisation is added to the history."""
    if history is None or not history.runs:
        return None
    return len(history.runs), history.runs[0].started
