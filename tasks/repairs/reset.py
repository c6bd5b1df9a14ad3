"""``wsusutil reset``: the state before it is recorded, its end is recognised, both are compared.

WSUS hashes all approved content again, downloads what is missing if it can, and sets the states of
updates anew. The program ends at once; the service works on, for hours on a large server. So the
end is judged by several signals: the program's exit code, the lines of SoftwareDistribution.log,
the service, and the states that the API tells afterwards.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime

from tasks.approvals.capture import ServerDecisions
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.reset_signs import ResetSigns, read_reset_signs
from tasks.checks.software_distribution_log import read_log
from tasks.errors import TimeLimitError, WsusutilError
from tasks.hosts.host import Host
from tasks.hosts.small_files import write_atomic
from tasks.hosts.waiting import Pace, poll
from tasks.ledger.steps import Attempt
from tasks.ledger.work_id import WorkId
from tasks.logs import log
from tasks.names import Side
from tasks.reports.model import Column, Section
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.server.cleanup import remove_work
from tasks.server.queries import read_approvals, read_running_server
from tasks.server.wsusutil_run import ServerLog, start_or_find, wait_for_program

PACE = Pace(first_seconds=0.2, longest_seconds=30.0)
BEFORE = "content-states-before.jsonl"
_WAITING = frozenset({"NotReady", "Failed", "Canceled", "LicenseAgreementFailed"})
_NEXT = {
    Side.STAGING: "event 364 has the reasons, and `wsus-airgap check` shows it",
    Side.DISCONNECTED: "`wsus-airgap audit` names their files and what has to bring them",
}


def count_states(decisions: ServerDecisions) -> tuple[tuple[str, int], ...]:
    """Count the approved updates of a server by the state that WSUS gives them, sorted."""
    states = Counter(update.state for update in decisions.updates.values())
    return tuple(sorted(states.items()))


def reset_content(
    run: RunContext, facts: Facts, before: Mapping[str, int], begun: datetime
) -> bool:
    """Run ``wsusutil reset`` and wait for its end; what a run before has begun is waited for.

    Args:
        run: The run.
        facts: The facts of the check, with SoftwareDistribution.log.
        before: Number of approved updates by state before the reset.
        begun: Time at which the repair was begun, which names this piece of work.

    Returns:
        True if the end was seen; False if the site's limit came first, and a later run waits on.

    Raises:
        WsusutilError: The program ended with another exit code than 0.
        WsusutilRunningError: Another wsusutil has begun since the run looked last.
    """
    server_log = known(facts.log, "SoftwareDistribution.log")
    work = WorkId("reset", int(begun.timestamp()))
    if run.ledger.steps(work.text).attempt("reset") is None:
        _record_before(run, before)
    seen_log = ServerLog(server_log.path, server_log.size_bytes)
    started = start_or_find(run, "reset", work=work, server_log=seen_log)
    status = wait_for_program(run, started.attempt)
    if status.exit_code != 0:
        run.ledger.steps(work.text).forget_attempt("reset")
        reason = "it ended without an exit code"
        if status.exit_code is not None:
            reason = f"exit code {status.exit_code}"
        raise WsusutilError(verb="reset", reason=reason, log=started.attempt.log)
    signs = _wait_for_end(run, started.attempt)
    if signs is None:
        return False
    run.report.lines.append(f"wsusutil reset: exit code 0; {signs.sentence}")
    _compare(run, before)
    run.ledger.steps(work.text).forget_attempt("reset")
    remove_work(run, work)
    return True


def _record_before(run: RunContext, before: Mapping[str, int]) -> None:
    """Record durably what WSUS says of its content: a reset destroys that evidence."""
    decisions = read_approvals(run)
    path = run.reports_dir / BEFORE
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def lines() -> Iterator[bytes]:
        for key, update in decisions.updates.items():
            line = {"update_id": key.update_id, "revision": key.revision, "state": update.state}
            yield json.dumps(line).encode() + b"\n"

    write_atomic(run.media, run.media.path(str(path)), lines())
    counts = ", ".join(f"{count} {state}" for state, count in before.items()) or "none approved"
    record_event(run, "confirmed", f"wsusutil reset; approved updates before it: {counts}")
    run.report.lines.append(f"the state of every approved update before the reset: {path}")


def _wait_for_end(run: RunContext, attempt: Attempt) -> ResetSigns | None:
    """Wait until the log shows the end and the API answers; None at the site's limit."""
    signs = ResetSigns()

    def look() -> ResetSigns | None:
        nonlocal signs
        read_running_server(run)  # the service does the work, so that it has to run
        signs = _read_signs(run.server, attempt)
        return signs if signs.ended is not None else None

    log.info("wsusutil reset has ended; waiting until WSUS has verified its content")
    limit_seconds = run.site.server.command_limit_hours * 3_600
    try:
        return poll(
            look,
            what="WSUS to verify all approved content",
            limit_seconds=limit_seconds,
            pace=PACE,
            detail=lambda: signs.sentence,
        )
    except TimeLimitError:
        run.report.notice(
            f"the end of the reset was not seen within {run.site.server.command_limit_hours:g} "
            f"hours ({signs.sentence}); run the same command again to wait on"
        )
        return None


def _read_signs(server: Host, attempt: Attempt) -> ResetSigns:
    """Read the log from where it ended before the reset; one that starts anew, from its begin."""
    path = server.path(attempt.log)
    stat = server.stat(path)
    if stat is None:  # it was rolled over a moment ago
        return ResetSigns()
    offset = attempt.log_bytes if stat.size_bytes >= attempt.log_bytes else 0
    return read_reset_signs(read_log(server.read(path, offset=offset)))


def _compare(run: RunContext, before: Mapping[str, int]) -> None:
    """Show the states before and after; approved updates that are not ready flag the run."""
    after = dict(count_states(read_approvals(run)))
    rows = tuple(
        (state, before.get(state, 0), after.get(state, 0)) for state in sorted({*before, *after})
    )
    run.report.lines += [f"{state}: {old} before, {new} now" for state, old, new in rows]
    run.report.sections.append(
        Section(
            key="reset",
            title="Approved updates by the state that WSUS gives them",
            columns=(
                Column(label="State"),
                Column(label="Before", kind="count"),
                Column(label="After", kind="count"),
            ),
            rows=rows,
        )
    )
    waiting = {state: count for state, count in after.items() if state in _WAITING}
    if waiting:
        shown = ", ".join(f"{count} {state}" for state, count in sorted(waiting.items()))
        run.report.notice(
            f"after the reset approved updates are not ready: {shown}; {_NEXT[run.site.side]}"
        )
