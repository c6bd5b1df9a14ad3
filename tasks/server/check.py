"""The check as the steps of a run do it: facts are judged, reported, and may stop the command."""

from __future__ import annotations

from collections.abc import Mapping

from tasks.bundle.header import StagingFacts
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, is_at_least
from tasks.checks.judgement import Judgement, judge
from tasks.checks.rules import ALL, requirements
from tasks.checks.stopping import CURED, refuse_findings, require, stopping
from tasks.ledger.findings import AcceptedFindings
from tasks.metadata.server import ServerFacts
from tasks.reports.check_sections import check_sections, unknown_lines
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.server.examination import examine_for_crossing, examine_requirements
from tasks.site.settings import Site

Accepted = Mapping[str, str]
"""Reasons of a person, by the id of the finding that is accepted."""


def check_for_crossing(
    run: RunContext,
    *,
    accepted: Accepted,
    staging: StagingFacts | None = None,
    excused: Mapping[str, str] | None = None,
) -> ServerFacts:
    """Run the whole check before an export or an import, and stop if the table says so.

    Args:
        run: The run; its report takes the findings.
        accepted: Findings that a person accepts; recorded in the report and the ledger.
        staging: The staging server, from a bundle's verified header; None for an export.
        excused: Requirements that a person excuses by an option of the command, which is the
            reason; recorded as accepted findings are.

    Raises:
        ServerUnfitError, ServerChangedError, SettingsDifferError, RoomError, PathMissingError: A
            requirement is not met.
        CheckFindingError: A finding at or above ``[check] stop_at`` that nobody accepted.
        ServiceDownError, WsusutilRunningError: As ``queries.read_running_topics``.
    """
    facts = examine_for_crossing(run, staging=staging)
    judgement = judge(facts, ALL)
    excuses = excused or {}
    accepted = {**accepted, **excuses}
    _report(run.report, facts, judgement, accepted=accepted, cured_by=run.command)
    require(run.command, judgement, facts, excused=excuses)
    stops = stopping(run.command, judgement, stop_at=run.site.check.stop_at, accepted=accepted)
    if stops:
        raise refuse_findings(stops, run.site.side)
    _record(run, judgement, accepted)
    return _server(facts)


def check_requirements(run: RunContext) -> ServerFacts:
    """Check only the requirements of a crossing, as an audit does.

    Raises:
        ServerUnfitError, ServerChangedError, RoomError, PathMissingError: One is not met.
        ServiceDownError, WsusutilRunningError: As ``queries.read_running_topics``.
    """
    facts = examine_requirements(run)
    require(run.command, judge(facts, requirements.RULES), facts)
    return _server(facts)


def report_check(report: ReportDraft, site: Site, facts: Facts) -> Judgement:
    """Judge the facts of the command ``check``, and put everything into its report."""
    judgement = judge(facts, ALL)
    _report(report, facts, judgement, accepted={}, cured_by=None)
    report.lines += unknown_lines(judgement)
    limit = site.check.stop_at
    report.flagged_findings += tuple(
        finding
        for finding in judgement.findings
        if is_at_least(finding.severity, limit) and finding not in report.flagged_findings
    )
    return judgement


def _report(
    report: ReportDraft,
    facts: Facts,
    judgement: Judgement,
    *,
    accepted: Accepted,
    cured_by: str | None,
) -> None:
    """Add the findings to a report; those from a warning on flag it, if nobody accepted them."""
    findings = tuple(
        finding.model_copy(update={"accepted": accepted.get(finding.id)})
        for finding in judgement.findings
    )
    report.note(findings=findings)
    report.sections += check_sections(facts, judgement)
    report.flagged_findings = tuple(
        finding for finding in findings if _flags(finding, cured_by=cured_by)
    )
    for finding_id in accepted.keys() - {finding.id for finding in findings}:
        report.lines.append(f"the check did not find {finding_id}, which was accepted")


def _flags(finding: Finding, *, cured_by: str | None) -> bool:
    is_cured = cured_by in CURED.get(finding.id, ())
    return is_at_least(finding.severity, "warning") and not finding.accepted and not is_cured


def _record(run: RunContext, judgement: Judgement, accepted: Accepted) -> None:
    for finding in judgement.findings:
        if finding.id in accepted:
            AcceptedFindings(run.ledger).remember(
                run.run_id,
                finding=finding.id,
                evidence=finding.evidence,
                reason=accepted[finding.id],
                now=run.clock(),
            )


def _server(facts: Facts) -> ServerFacts:
    return known(facts.server, "the API of WSUS")
