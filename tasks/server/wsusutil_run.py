"""Run wsusutil detached, find it again after anything, and judge it by all signals."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tasks.content.digest import blake3_of_chunks
from tasks.content.names import Blake3
from tasks.errors import AirGapError, HostFileError, PackageError, ServiceDownError, WsusutilError
from tasks.hosts.host import JobStatus
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import write_atomic
from tasks.ledger.steps import Attempt
from tasks.ledger.work_id import WorkId
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import (
    ApiSignal,
    Judgement,
    PackageSignal,
    Signals,
    Verb,
    export_command,
    import_command,
    judge_export,
    judge_import,
    new_file_names,
)
from tasks.metadata.wsusutil_log import LogSummary, read_log
from tasks.metadata.wsusutil_process import of_job, refusal
from tasks.refusals import FolderUnsafeError, WsusutilRunningError
from tasks.reports.sections import judgement_section
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.server.queries import read_revisions, read_running_server
from tasks.server.running_wsusutil import find_running, job_name, require_no_wsusutil, running_job

log = logging.getLogger("wsus_airgap")

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 10.0
_SETTLE_SECONDS = 15
# A process that has ended may stand in the process list a little longer.
_SEEN_GONE_SECONDS = 0.2
_ASKED_AT_ONCE = 20_000
# What a name of wsusutil's holds that is no plain file: a signal of its failure, not ours.
_UNREADABLE = (HostFileError, FolderUnsafeError)


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt that is under way. ``had_ended``: it was over before this run looked at it."""

    attempt: Attempt
    had_ended: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended, before it is judged."""

    status: JobStatus
    log: LogSummary


def wait_for_own_wsusutil(run: RunContext, verb: Verb, *, work: WorkId | None = None) -> None:
    """See that no wsusutil is at work, and wait for the one that this command goes on from.

    Args:
        run: The run.
        verb: What the command has wsusutil do.
        work: The piece of work that the command goes on with, if it has begun.

    Raises:
        WsusutilRunningError: Another one is at work: of another run or site, or not ours.
    """
    own = None if work is None else run.ledger.steps(work.text).attempt(verb)
    while running := find_running(run):
        others = [each for each in running if own is None or job_name(each.stem) != own.job_name]
        if own is None or others:
            raise refusal(others)
        log.info("%s; this command waits for it and goes on from there", running[0].sentence)
        wait_for(run, own)
        time.sleep(_SEEN_GONE_SECONDS)


def report_running_wsusutil(run: RunContext) -> None:
    """Name the wsusutil that an earlier run of this site has left at work, and go on.

    For what asks the server nothing: it is asked only where the ledger knows such an attempt.
    """
    for attempt in (*run.ledger.attempts("export"), *run.ledger.attempts("import")):
        try:
            running = running_job(run, run.server.path(attempt.job))
        except AirGapError as error:
            run.report.lines.append(f"a wsusutil {attempt.verb} may still work: {error.message}")
            continue
        if running is not None:
            log.info("%s", running.sentence)
            run.report.lines.append(f"{running.sentence}; the server itself was asked nothing")


def start_or_find(run: RunContext, verb: Verb, *, work: WorkId, package: str = "") -> Started:
    """Start wsusutil for a piece of work, or find the one that an earlier run started.

    An attempt whose program still runs, or ended with a trace that nobody judged yet, is found;
    one that was lost (the server restarted) is followed by a new one under new names.

    Args:
        run: The run.
        verb: export or import.
        work: Name of the piece of work; its folder on the server is named after it.
        package: For an import, the package's path on the server.

    Raises:
        WsusutilRunningError: One that is not this attempt has begun since the run looked.
    """
    steps = run.ledger.steps(work.text)
    attempt = steps.attempt(verb)
    if attempt is not None:
        state = run.server.poll_detached(run.server.path(attempt.job)).state
        if state in {"running", "exited"}:
            return Started(attempt, had_ended=state == "exited")
    folder = run.folders.work_folder(work.text)
    run.server.make_private_folder(folder)
    require_no_wsusutil(run)
    names = new_file_names(verb, run=run.run_id)
    attempt = Attempt(
        verb=verb,
        package=package or folder.joined(names.package).text,
        log=folder.joined(names.log).text,
        job=folder.joined(job_name(names.stem)).text,
    )
    steps.begin_attempt(attempt, now=run.clock())
    # Stopped from here on, the run says that it goes on.
    run.waits_for = of_job(folder.name, names.stem, run.clock())
    command = export_command if verb == "export" else import_command
    run.server.start_detached(
        command(run.site.server.wsusutil, attempt.package, attempt.log),
        job=run.server.path(attempt.job),
    )
    return Started(attempt)


def wait_for(run: RunContext, attempt: Attempt) -> Ending:
    """Wait until the program has ended, with a line a minute.

    It is never killed; past the site's limit we say so.
    """
    job = run.server.path(attempt.job)
    run.waits_for = running_job(run, job)
    pause = _FIRST_PAUSE_SECONDS
    alarm_at = time.monotonic() + run.site.server.command_limit_hours * 3_600
    line_at = time.monotonic() + run.wait_line_seconds
    while (status := run.server.poll_detached(job)).state == "running":
        if run.waits_for is not None and time.monotonic() > line_at:
            log.info("%s", run.waits_for.sentence)
            line_at = time.monotonic() + run.wait_line_seconds
        if time.monotonic() > alarm_at:
            run.report.notice(
                f"wsusutil {attempt.verb} has been running for more than "
                f"{run.site.server.command_limit_hours:g} hours; it is left alone"
            )
            alarm_at = float("inf")
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS, run.wait_line_seconds)
    run.waits_for = None
    return Ending(status, _read_log(run, attempt))


def forget(run: RunContext, attempt: Attempt, *, work: str) -> None:
    """Forget an attempt that was judged: after a failure the next run starts another."""
    run.ledger.steps(work).forget_attempt(attempt.verb)


def judge(
    run: RunContext,
    attempt: Attempt,
    ending: Ending,
    package: PackageSignal,
    *,
    before: ServerFacts | None,
    wanted: Iterable[RevisionId] = (),
) -> Judgement:
    """Gather the remaining signals, judge, and show in the report how.

    Starts the service if wsusutil left it stopped.

    Raises:
        WsusutilRunningError: The service is stopped, and another wsusutil is at work meanwhile.

    Args:
        run: The run.
        attempt: Which run.
        ending: How it ended.
        package: What we read of the package ourselves.
        before: The server's facts before it.
        wanted: Revisions that the server must have after an import.
    """
    service, after = _after(run)
    unresolved = _Unresolved() if after is None else _look_up(run, wanted)
    signals = Signals(
        exit_code=ending.status.exit_code,
        package=package,
        log=ending.log,
        service=service,
        api=ApiSignal(before, after, unresolved.count, unresolved.first),
    )
    judgement = judge_export(signals) if attempt.verb == "export" else judge_import(signals)
    run.report.sections.append(judgement_section(judgement))
    return judgement


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """Revisions that the server cannot find."""

    count: int = 0
    first: str = ""


def _look_up(run: RunContext, wanted: Iterable[RevisionId]) -> _Unresolved:
    """Ask for revisions, so many in one script run that memory does not grow with a catalogue."""
    asked = iter(wanted)
    missing = _Unresolved()
    while some := list(islice(asked, _ASKED_AT_ONCE)):
        found = {key for key, _ in read_revisions(run, some)}
        lacking = [f"{key[0]} revision {key[1]}" for key in some if key not in found]
        if lacking:
            missing = _Unresolved(missing.count + len(lacking), missing.first or lacking[0])
    return missing


def is_old_failure(run: RunContext, started: Started, judgement: Judgement) -> bool:
    """Whether what failed was over before this run: its cause may be gone, so it is begun anew."""
    if judgement.succeeded or not started.had_ended:
        return False
    run.report.lines.append(
        f"an earlier wsusutil {started.attempt.verb} had failed ({judgement.reason}); "
        "another was started"
    )
    return True


def require_success(run: RunContext, attempt: Attempt, judgement: Judgement) -> None:
    """Raise what went wrong, naming the signals that lied.

    Raises:
        ServiceDownError: Only the service, and so the API, is down.
        WsusutilError: Anything else.
    """
    if judgement.succeeded:
        return
    bad = {signal.name for signal in judgement.signals if not signal.good}
    if "service" in bad and bad <= {"service", "API"}:
        state = next(each.detail for each in judgement.signals if each.name == "service")
        raise ServiceDownError(
            service="WsusService", state=state.rsplit(" ", 1)[-1], side=run.site.side.value
        )
    raise WsusutilError(verb=attempt.verb, reason=judgement.reason, log=attempt.log)


def fetch_package(run: RunContext, source: HostPath, target: Path) -> int | None:
    """Copy a package from the server into our state folder; its size, None when it is absent.

    The copy gets its name only when it is whole.

    Raises:
        PackageError: What lies there cannot be read: a folder, a link, a file that is taken away.
    """
    target.parent.mkdir(parents=True, exist_ok=True)

    def chunks() -> Iterator[memoryview]:
        try:
            yield from run.server.read(source)
        except _UNREADABLE as error:
            raise PackageError(path=source, reason=error.message) from error

    if run.server.stat(source) is None:
        return None

    return write_atomic(run.media, run.media.path(str(target)), chunks())


def digest_on_server(run: RunContext, path: HostPath) -> Blake3 | None:
    """BLAKE3 of a file as the server gives it to us now; None when there is none to be read."""
    try:
        return blake3_of_chunks(run.server.read(path))
    except _UNREADABLE:
        return None


def _read_log(run: RunContext, attempt: Attempt) -> LogSummary:
    path = run.server.path(attempt.log)
    try:
        found = run.server.stat(path)
        return read_log(None if found is None else run.server.read(path))
    except _UNREADABLE as error:
        return LogSummary("unreadable", problem=error.message)


def _after(run: RunContext) -> tuple[str | None, ServerFacts | None]:
    """Service and API after a run; a service that was left stopped is started.

    An answer that comes late is waited for a little.
    """
    give_up = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            return "Running", read_running_server(run)
        except ServiceDownError as error:
            return str(error.facts["state"]), None
        except WsusutilRunningError:
            raise  # nobody can judge beside it; the attempt stays known, and the next run judges it
        except AirGapError:
            if time.monotonic() > give_up:
                return "Running", None
            time.sleep(1)
