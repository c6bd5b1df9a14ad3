"""Run of wsusutil: start it detached, find it again after any break, judge it by all signals."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from tasks.content.digest import blake3_of_chunks
from tasks.content.names import Blake3
from tasks.errors import (
    AirGapError,
    ConnectionLostError,
    HostFileError,
    PackageError,
    ServiceDownError,
    WsusutilError,
)
from tasks.hosts.host import Host, JobStatus
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import write_atomic
from tasks.ledger.steps import Attempt
from tasks.ledger.work_id import WorkId
from tasks.logs import log
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
    reset_command,
)
from tasks.metadata.wsusutil_log import LogSummary, read_log
from tasks.metadata.wsusutil_process import of_job, refusal
from tasks.names import Side
from tasks.quantities import duration, size
from tasks.refusals import FolderUnsafeError, WsusutilRunningError
from tasks.reports.sections import judgement_section
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.server.queries import read_revisions, read_running_server
from tasks.server.running_wsusutil import find_running, job_name, require_no_wsusutil, running_job

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 10.0
_SETTLE_SECONDS = 15
_SEEN_GONE_SECONDS = 0.2  # the process list may show a process that has ended
_QUERY_REVISIONS = 20_000
_COMMANDS: dict[Verb, Callable[[Sequence[str], str, str], list[str]]] = {
    "export": export_command,
    "import": import_command,
    "reset": reset_command,
}
# A log or package that is no plain readable file is a signal that wsusutil failed.
_UNREADABLE = (HostFileError, FolderUnsafeError)


@dataclass(frozen=True, slots=True)
class Started:
    """An attempt that was started or found. ``had_ended``: it had ended before this call."""

    attempt: Attempt
    had_ended: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """End of an attempt that is not judged yet."""

    status: JobStatus
    log: LogSummary


def wait_for_own_wsusutil(run: RunContext, verb: Verb, *, work: WorkId | None = None) -> None:
    """Wait for this command's own unfinished wsusutil; refuse if any other is at work.

    Args:
        run: The run.
        verb: The command that wsusutil carries out.
        work: The piece of work that the command continues, if it has begun.

    Raises:
        WsusutilRunningError: A wsusutil of another run or site, or not ours, is at work.
    """
    own = None if work is None else run.ledger.steps(work.text).attempt(verb)
    while running := find_running(run):
        others = [other for other in running if own is None or job_name(other.stem) != own.job_name]
        if own is None or others:
            raise refusal(others)
        log.info("%s; this command waits for it and goes on from there", running[0].sentence)
        wait_for(run, own)
        time.sleep(_SEEN_GONE_SECONDS)


def report_running_wsusutil(run: RunContext) -> None:
    """Add a line to the report for each wsusutil of an earlier run that is still at work.

    For commands that do not query the server otherwise. The server is contacted only if the ledger
    has an attempt that was not judged.
    """
    for attempt in (attempt for verb in _COMMANDS for attempt in run.ledger.attempts(verb)):
        try:
            running = running_job(run.server, run.server.path(attempt.job))
        except AirGapError as error:
            run.report.lines.append(f"a wsusutil {attempt.verb} may still work: {error.message}")
            continue
        if running is not None:
            log.info("%s", running.sentence)
            run.report.lines.append(f"{running.sentence}; the server itself was asked nothing")


@dataclass(frozen=True, slots=True)
class ServerLog:
    """SoftwareDistribution.log of a server, and its size before wsusutil was started."""

    path: str
    size_bytes: int


def start_or_find(
    run: RunContext,
    verb: Verb,
    *,
    work: WorkId,
    provide_package: Callable[[], str] = lambda: "",
    server_log: ServerLog | None = None,
    before_start: Callable[[Attempt], None] = lambda _: None,
) -> Started:
    """Start wsusutil for a piece of work, or find the attempt of an earlier run.

    It is found if its program still runs, or has ended and was not judged yet. One that was lost
    (the server restarted) is replaced by a new one with new file names.

    Args:
        run: The run.
        verb: export, import or reset.
        work: The piece of work; its folder on the server is named after it.
        provide_package: For an import, puts the package on the server, if none is found at work.
        server_log: For a reset, which writes no log of its own, the log that shows its end.
        before_start: Called once an attempt is recorded, and before its program starts.

    Raises:
        WsusutilRunningError: Another wsusutil has begun since the run checked.
    """
    steps = run.ledger.steps(work.text)
    attempt = steps.attempt(verb)
    if attempt is not None:
        state = run.server.poll_detached(run.server.path(attempt.job)).state
        if state in {"running", "exited"}:
            return Started(attempt, had_ended=state == "exited")
    folder = run.folders.work_folder(work.text)
    run.server.make_private_folder(folder)
    package = provide_package()
    require_no_wsusutil(run)
    names = new_file_names(verb, run=run.run_id)
    attempt = Attempt(
        verb=verb,
        package=package or folder.joined(names.package).text,
        log=server_log.path if server_log else folder.joined(names.log).text,
        log_bytes=server_log.size_bytes if server_log else 0,
        job=folder.joined(job_name(names.stem)).text,
    )
    steps.begin_attempt(attempt, now=run.clock())
    before_start(attempt)
    # If the run is stopped from here on, its report names the wsusutil that still works.
    run.waits_for = of_job(folder.name, names.stem, run.clock())
    run.server.start_detached(
        _COMMANDS[verb](run.site.server.wsusutil, attempt.package, attempt.log),
        job=run.server.path(attempt.job),
    )
    return Started(attempt)


def wait_for(run: RunContext, attempt: Attempt) -> Ending:
    """Wait until the program has ended, as ``wait_for_program``, and read its log."""
    status = wait_for_program(run, attempt)
    return Ending(status, _read_log(run.server, attempt))


def wait_for_program(run: RunContext, attempt: Attempt) -> JobStatus:
    """Wait until the program has ended, and log a line a minute.

    It is never killed; past the site's limit (``server.command_limit_hours``) the report gets a
    notice.
    """
    job = run.server.path(attempt.job)
    run.waits_for = running_job(run.server, job)
    pause = FIRST_PAUSE_SECONDS
    notice_at = time.monotonic() + run.site.server.command_limit_hours * 3_600
    line_at = time.monotonic() + run.wait_line_seconds
    while (status := run.server.poll_detached(job)).state == "running":
        if run.waits_for is not None and time.monotonic() > line_at:
            details = _work_so_far(run.server, attempt, status.cpu_seconds)
            log.info("%s%s", run.waits_for.sentence, details)
            line_at = time.monotonic() + run.wait_line_seconds
        if time.monotonic() > notice_at:
            run.report.notice(
                f"wsusutil {attempt.verb} has been running for more than "
                f"{run.site.server.command_limit_hours:g} hours; it is left alone"
            )
            notice_at = float("inf")
        time.sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS, run.wait_line_seconds)
    run.waits_for = None
    return status


def _work_so_far(server: Host, attempt: Attempt, cpu_seconds: float | None) -> str:
    """Say what a wsusutil at work has used and written, as far as the server can tell."""
    parts = [] if cpu_seconds is None else [f"{duration(cpu_seconds)} of processor time"]
    for name, path in (("package", attempt.package), ("log", attempt.log)):
        if attempt.verb == "reset" or (name == "package" and attempt.verb == "import"):
            continue  # an import reads it; the log of a reset is the server's own
        try:
            stat = server.stat(server.path(path))
        except AirGapError:
            continue  # the connection's own retries have said so
        if stat is not None:
            parts.append(f"{size(stat.size_bytes)} of {name} written")
    return "".join(f"; {part}" for part in parts)


def judge(
    run: RunContext,
    attempt: Attempt,
    ending: Ending,
    package: PackageSignal,
    *,
    before: ServerFacts | None,
    expected: Iterable[RevisionId] = (),
) -> Judgement:
    """Gather the remaining signals, judge the attempt, and add the judgement to the report.

    Starts the service if wsusutil left it stopped.

    Args:
        run: The run.
        attempt: The attempt.
        ending: Its end.
        package: Signal from our own reading of the package.
        before: The server's facts before the attempt.
        expected: Revisions that the server must have after an import.

    Raises:
        WsusutilRunningError: The service is stopped, and another wsusutil is at work.
    """
    service, after = _after(run)
    unresolved = _Unresolved() if after is None else _look_up(run, expected)
    signals = Signals(
        exit_code=ending.status.exit_code,
        package=package,
        log=ending.log,
        service=service,
        api=ApiSignal(before, after, unresolved.count, unresolved.first),
    )
    judgement = judge_export(signals) if attempt.verb == "export" else judge_import(signals)
    run.report.sections.append(judgement_section(judgement))
    _note_form(run.report, judgement, ending)
    return judgement


def _note_form(report: ReportDraft, judgement: Judgement, ending: Ending) -> None:
    """Keep what a probe compares: exit code, the other signals, and the form of the log."""
    form: JsonValue = {
        "verb": judgement.verb,
        "exit_code": ending.status.exit_code,
        "others_good": all(
            signal.good for signal in judgement.signals if signal.name != "exit code"
        ),
        "log_root": ending.log.root,
        "log_encoding": ending.log.encoding,
    }
    report.details["wsusutil"] = form


@dataclass(frozen=True, slots=True)
class _Unresolved:
    """Revisions that the server cannot find."""

    count: int = 0
    first: str = ""


def _look_up(run: RunContext, expected: Iterable[RevisionId]) -> _Unresolved:
    """Query revisions in batches, so that memory does not grow with the catalogue."""
    pending = iter(expected)
    missing = _Unresolved()
    while batch := list(islice(pending, _QUERY_REVISIONS)):
        present = {key for key, _ in read_revisions(run, batch)}
        lacking = [f"{key[0]} revision {key[1]}" for key in batch if key not in present]
        if lacking:
            missing = _Unresolved(missing.count + len(lacking), missing.first or lacking[0])
    return missing


def is_old_failure(report: ReportDraft, started: Started, judgement: Judgement) -> bool:
    """Return True, with a line in the report, if the failed attempt had ended before this call.

    The cause of an old failure may be gone, so the caller starts another attempt.
    """
    if judgement.succeeded or not started.had_ended:
        return False
    report.lines.append(
        f"an earlier wsusutil {started.attempt.verb} had failed ({judgement.reason}), "
        "and was put aside"
    )
    return True


def require_success(side: Side, attempt: Attempt, judgement: Judgement) -> None:
    """Require a judgement of success.

    Raises:
        ServiceDownError: The only bad signals are the service and the API, which needs the service.
        WsusutilError: Any other signal is bad.
    """
    if judgement.succeeded:
        return
    bad = {signal.name for signal in judgement.signals if not signal.good}
    if "service" in bad and bad <= {"service", "API"}:
        state = next(signal.detail for signal in judgement.signals if signal.name == "service")
        raise ServiceDownError(
            service="WsusService", state=state.rsplit(" ", 1)[-1], side=side.value
        )
    raise WsusutilError(verb=attempt.verb, reason=judgement.reason, log=attempt.log)


def fetch_package(server: Host, media: Host, source: HostPath, target: Path) -> int | None:
    """Copy a package from the server into our state folder; return its size, None when absent.

    The copy gets its name only when it is whole.

    Args:
        server: The server.
        media: This machine.
        source: The package on the server.
        target: The copy in our state folder.

    Raises:
        PackageError: It cannot be read: it is a folder or a link, or it vanished meanwhile.
    """
    target.parent.mkdir(parents=True, exist_ok=True)

    def chunks() -> Iterator[memoryview]:
        try:
            yield from server.read(source)
        except _UNREADABLE as error:
            raise PackageError(path=source, reason=error.message) from error

    if server.stat(source) is None:
        return None
    return write_atomic(media, media.path(str(target)), chunks())


def digest_on_server(server: Host, path: HostPath) -> Blake3 | None:
    """Read a file from the server and return its BLAKE3; None if there is no readable file."""
    try:
        return blake3_of_chunks(server.read(path))
    except _UNREADABLE:
        return None


def _read_log(server: Host, attempt: Attempt) -> LogSummary:
    path = server.path(attempt.log)
    try:
        return read_log(None if server.stat(path) is None else server.read(path))
    except _UNREADABLE as error:
        return LogSummary("unreadable", problem=error.message)


def _after(run: RunContext) -> tuple[str | None, ServerFacts | None]:
    """Read the service's state and the server's facts after a run of wsusutil.

    A service that was left stopped is started. A late answer of the API is waited for a little.
    """
    give_up = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            return "Running", read_running_server(run)
        except ServiceDownError as error:
            return str(error.facts["state"]), None
        except (WsusutilRunningError, ConnectionLostError):
            # Another wsusutil would distort the signals, and a lost connection says nothing of
            # the API. The attempt is judged when the step is tried again, or by the next run.
            raise
        except AirGapError:
            if time.monotonic() > give_up:
                return "Running", None
            time.sleep(1)
