"""The command ``probe``: a server is read, compared with our beliefs, and written into one file."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.checks.finding import Finding, is_at_least
from tasks.checks.judgement import Judgement, judge
from tasks.checks.rules import ALL
from tasks.errors import AirGapError, ScriptFailedError
from tasks.ledger.store import Ledger
from tasks.metadata.server import ServerFacts
from tasks.probing.beliefs import BELIEFS, MEMBERS, compare
from tasks.probing.earlier import read_earlier, read_newest_package
from tasks.probing.seen import PackageShape, Seen, seen_of
from tasks.reports.check_sections import findings_section
from tasks.reports.model import CommandReport
from tasks.run.context import RunContext, open_run_context
from tasks.run.ending import begin_run, close_run, stopped
from tasks.server import queries
from tasks.server.examination import gather, topics_for
from tasks.version import VERSION

PARTS = ("members", "content", "log", "updates")
FIRST_PARTS = ("members", "updates")
_FILE = "probe.json"


def probe(site: str, *, clock: Callable[[], datetime]) -> CommandReport:
    """Read a server without changing it, and report how it differs from what we believe.

    Args:
        site: Name of the site.
        clock: Gives the time now, UTC.
    """
    with open_run_context(site, command="probe", side=None, clock=clock) as run:
        begin_run(run)
        fault: Exception | None = None
        try:
            _probe(run)
        except KeyboardInterrupt:
            fault = stopped(run)
        except (AirGapError, OSError, sqlite3.Error) as error:
            fault = error
        return close_run(run, fault)


def _probe(run: RunContext) -> None:
    # Our own folder need not exist there yet; this one is removed when the host is closed.
    folder = run.server.request_folder()
    answer = queries.read_topics(run, topics=topics_for(run.site.side), folder=folder)
    judgement = judge(gather(run, answer), ALL)
    seen = _with_earlier(run.site.state_dir, _ask(run, answer.facts, PARTS))
    differences = compare(seen)
    _remember(run.ledger, differences)
    path = _write(run, seen, differences, judgement)
    report = run.report
    report.note(findings=differences)
    report.details["probe_file"] = str(path)
    report.sections.append(findings_section(differences))
    report.flagged_findings = tuple(
        finding for finding in differences if is_at_least(finding.severity, "warning")
    )
    report.lines += [
        f"{len(BELIEFS)} beliefs compared, {len(differences)} differences",
        *(f"{finding.severity}: {finding.id}: {finding.evidence}" for finding in differences),
        *(f"not read: {topic} ({reason})" for topic, reason in seen.unknown.items()),
        *(f"check finds {finding.id} ({finding.severity})" for finding in judgement.findings),
        f"file to send (counts and shapes, no names): {path}",
    ]


def compare_before_first(run: RunContext) -> None:
    """Compare what would break a crossing, for the check before the first one of this side.

    Only members of the API and a sample of updates are read. What differs is remembered, and the
    check has it as a finding; a later ``probe`` replaces it.
    """
    if run.ledger.probe_failures is not None:
        return
    with suppress(ScriptFailedError):  # the check says itself what the server does not answer
        facts = queries.read_topics(run, topics=()).facts
        _remember(run.ledger, compare(_ask(run, facts, FIRST_PARTS)))


def _ask(run: RunContext, server: ServerFacts, parts: Sequence[str]) -> Seen:
    items = ({"type": name, "members": list(members)} for name, members in MEMBERS.items())
    with queries.answer_errors("probe-server"):
        return seen_of(
            queries.run_query(
                run,
                "probe-server",
                {"parts": list(parts)},
                items,
                folder=run.server.request_folder(),
            ),
            version=server.version,
            protocol_version=server.protocol_version,
        )


def _with_earlier(state_dir: Path, seen: Seen) -> Seen:
    """Add what this side's own state shows of wsusutil."""
    package = read_newest_package(state_dir)
    unknown = dict(seen.unknown)
    if not isinstance(package, PackageShape):
        unknown["package"] = package or "none was made or imported yet"
        package = None
    changes = {"package": package, "earlier": read_earlier(state_dir), "unknown": unknown}
    return seen.model_copy(update=changes)


def _remember(ledger: Ledger, differences: Sequence[Finding]) -> None:
    failures = [
        (finding.id, finding.evidence) for finding in differences if finding.severity == "failure"
    ]
    ledger.remember_probe(failures)


def _write(
    run: RunContext, seen: Seen, differences: Sequence[Finding], judgement: Judgement
) -> Path:
    """Write the file: what was seen as counts and shapes, and findings of the check by id alone."""
    document: dict[str, Any] = {
        "version": 1,
        "product": VERSION,
        "side": run.site.side.value,
        "made": run.clock().isoformat(),
        "seen": seen.model_dump(mode="json"),
        "differences": [finding.model_dump(mode="json") for finding in differences],
        "check": [
            {"id": finding.id, "severity": finding.severity} for finding in judgement.findings
        ],
    }
    folder = run.reports_dir
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / _FILE
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return path
