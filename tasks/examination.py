"""Steps of the check, on either side. They change nothing on the server.

"Refuses" in a step's docstring lists the kinds of its refusals (exit codes 3 and 4), "Raises" those
of its other errors. The check refuses nothing: what keeps it from examining is a failure.
"""

from __future__ import annotations

from tasks.checks.facts.gathered import Facts
from tasks.errors import AirGapError, NotExaminedError
from tasks.flow_run import current_run
from tasks.logs import log
from tasks.server import check
from tasks.server.examination import examine_server
from tasks.step import step


@step("Gather facts")
def gather_facts() -> Facts:
    """Read from the server, in one script, everything that the rules look at.

    Raises: ``not-examined``, for whatever reason the server did not answer.
    """
    try:
        return examine_server(current_run())
    except AirGapError as error:
        if error.retryable:
            raise
        raise NotExaminedError(reason=error.message, remedy=error.next_step) from error


@step("Judge facts")
def judge_facts(facts: Facts) -> None:
    """Ask every rule, and put findings and what was examined into the report."""
    run = current_run()
    judgement = check.report_check(run.report, run.site, facts)
    for finding in judgement.findings:
        log.warning("%s: %s: %s", finding.severity, finding.id, finding.meaning)
