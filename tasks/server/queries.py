"""Queries of a server through our scripts: one script run for all items of a question."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.approvals.capture import ServerDecisions, read_decisions
from tasks.checks.facts.gathered import topics_of
from tasks.errors import ScriptFailedError, ServiceDownError
from tasks.hosts.host import Json
from tasks.hosts.paths import HostPath
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil_process import Process, of_process, refusal
from tasks.names import UTC_SECOND
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.scripts import load_script
from tasks.server.language_mode import explain_failure

BATCH_SECONDS = 6 * 3_600.0
_OTHER_SHAPE = "its answer has another shape than ours: "


class ServiceState(BaseModel):
    """State of the WSUS service and every ``wsusutil`` at work, as the server reports them.

    ``status`` is Windows' word: Running, Stopped, StartPending.
    """

    model_config = ConfigDict(frozen=True)

    status: str
    wsusutil: tuple[Process, ...] = ()


def run_query(
    run: RunContext,
    script: str,
    settings: Mapping[str, object] | None = None,
    items: Iterable[Json] = (),
    *,
    folder: HostPath | None = None,
    timeout_seconds: float | None = None,
) -> Iterator[Json]:
    """Run one of our scripts on the server and yield its answer, the end line left out.

    Args:
        run: The run.
        script: Name of the script.
        settings: Fields of the first line of its input.
        items: Further lines of its input.
        folder: Folder in which it runs; None: the folder of this run. A piece of work that another
            run may continue has a folder of its own.
        timeout_seconds: Longest wait for the answer; None: ``server.script_limit_minutes``.

    Raises:
        ScriptFailedError: It ended without its answer; may be raised while the answer is read.
        TimeLimitError: It is still running at the limit; it is left alone.
    """
    if folder is None and run.rehearses:
        folder = run.server.request_folder()  # removed when the host is closed
    elif folder is None:
        folder = run.folders.work_folder(run.run_id)
        run.server.make_private_folder(folder)

    def request() -> Iterator[Json]:
        yield {"kind": "settings", **(settings or {})}
        yield from items

    if timeout_seconds is None:
        timeout_seconds = run.site.server.script_limit_minutes * 60
    answer = run.server.run_script(
        load_script(script), request(), folder=folder, timeout_seconds=timeout_seconds
    )
    return (line for line in answer if line.get("kind") != "end")


def _query_line(
    run: RunContext,
    script: str,
    settings: Mapping[str, object],
    *,
    folder: HostPath | None = None,
) -> Json:
    """Run a script whose answer is one line, and return that line.

    Raises:
        ScriptFailedError: The answer has no line, or more than one.
    """
    lines = run_query(run, script, settings, folder=folder)
    first = next(lines, None)
    others = sum(1 for _ in lines)  # read to the end line, which proves the answer whole
    if first is None or others:
        number = 0 if first is None else 1 + others
        raise ScriptFailedError(script=script, reason=f"expected one line, found {number}")
    return first


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """The answer of ``read-server``.

    Attributes:
        server: Facts that every run reads; None if the API does not answer.
        topics: Topics of a check as fields of ``Facts``, and the reasons for those not known.
        asked: Time at which the script was started, by our clock.
    """

    server: ServerFacts | None
    topics: dict[str, Any]
    asked: datetime | None = None

    @property
    def facts(self) -> ServerFacts:
        """The facts that every run reads.

        Raises:
            ScriptFailedError: The API does not answer.
        """
        if self.server is None:
            reason = self.topics["unknown"].get("server", "the API of WSUS does not answer")
            raise ScriptFailedError(script="read-server", reason=reason)
        return self.server


def read_topics(
    run: RunContext,
    *,
    topics: Sequence[str],
    since: datetime | None = None,
    folder: HostPath | None = None,
) -> ServerAnswer:
    """Read a server's facts, and the topics of a check that are asked for, in one script run.

    Args:
        run: The run.
        topics: Names of topics. Without any, the script fails if the API does not answer.
        since: Time from which arrivals are counted.
        folder: Folder in which the script runs, as for ``run_query``.
    """
    moment = None if since is None else since.strftime(UTC_SECOND)
    disk = run.known_disk
    settings = {
        "since": moment,
        "topics": list(topics),
        "content_work_dir": None if disk is None else disk.root.text,
    }
    server = None
    others = []
    asked = run.clock()
    with answer_errors("read-server"):
        for line in run_query(run, "read-server", settings, folder=folder):
            if line.get("kind") == "server":
                server = ServerFacts.model_validate(line)
            else:
                others.append(line)
        return ServerAnswer(server, topics_of(others), asked)


def control_downloads(run: RunContext, action: Literal["pause", "resume"]) -> int:
    """Pause all downloads of the server if one runs, or resume the paused ones.

    Returns:
        The bytes that were to be downloaded before; 0 if nothing was changed.

    Raises:
        ScriptFailedError: The server refused, or its service does not run.
    """
    script = "control-downloads"
    answer = _query_line(run, script, {"action": action})
    with answer_errors(script):
        return int(str(answer["waiting_bytes"])) if answer["changed"] else 0


def read_running_server(run: RunContext, *, since: datetime | None = None) -> ServerFacts:
    """Read a server's facts, after starting its service if the service is stopped.

    Raises: As ``read_running_topics``.
    """
    return read_running_topics(run, topics=(), since=since).facts


def read_running_topics(
    run: RunContext, *, topics: Sequence[str], since: datetime | None = None
) -> ServerAnswer:
    """Read a server's facts and topics, after starting its service if the service is stopped.

    A server whose service runs is queried once.

    Raises:
        ServiceDownError: The service does not run and cannot be started.
        WsusutilRunningError: It does not run, and a wsusutil at work may have stopped it.
        ScriptFailedError: The API does not answer although the service runs, or PowerShell is in a
            restricted language mode, which the error names.
    """
    try:
        answer = read_topics(run, topics=topics, since=since)
        if answer.facts.service_status == "Running":
            return answer
    except ScriptFailedError as error:
        explained = explain_failure(run.server, run.site.server.powershell, error)
        if explained is not error:
            raise explained from error
        if not _make_service_run(run):
            raise
    else:
        if not _make_service_run(run):
            return answer  # its state was unknown in the facts, and it runs
    run.report.notice("WsusService was stopped and has been started")
    return read_topics(run, topics=topics, since=since)


def read_revisions(
    run: RunContext, revisions: Iterable[RevisionId]
) -> Iterator[tuple[RevisionId, Json]]:
    """Yield each of the given revisions that the server has, with its line of the answer.

    Number 0 asks for the newest revision of an update.
    """
    items = ({"update_id": update_id, "revision": number} for update_id, number in revisions)
    with answer_errors("read-updates"):
        for line in run_query(run, "read-updates", items=items, timeout_seconds=BATCH_SECONDS):
            if line.get("kind") == "update" and line.get("found"):
                update_id = sys.intern(str(line["update_id"]))
                yield RevisionId(update_id, int(str(line["revision"]))), line


def read_approvals(run: RunContext) -> ServerDecisions:
    """Read groups, approvals and declines of a server in one scoped call."""
    with answer_errors("read-approvals"):
        return read_decisions(run_query(run, "read-approvals"))


def read_all_approvals(run: RunContext, facts: ServerFacts) -> ServerDecisions:
    """Read groups, approvals and declines, and require as many as the server counts.

    The bundle carries them as the complete decisions of the staging server.

    Raises:
        ScriptFailedError: There are fewer. If decisions were taken back between the two queries,
            the next run sees equal numbers.
    """
    answer = read_approvals(run)
    approved = {approval.update_id for approval in answer.approval_set.approvals}
    approved |= {line.update_id for line in answer.unresolved if line.update_id is not None}
    declined = answer.approval_set.declined_ids()
    for what, counted, listed in (
        ("approved", facts.approved_count, len(approved)),
        ("declined", facts.declined_count, len(declined)),
    ):
        if listed < counted:
            reason = f"the server counts {counted} {what} updates, and it names {listed}"
            raise ScriptFailedError(script="read-approvals", reason=reason)
    return answer


@contextmanager
def answer_errors(script: str) -> Iterator[None]:
    """Convert validation errors of a complete but malformed answer into ``ScriptFailedError``.

    Raises:
        ScriptFailedError: Reading the answer raised an error.
    """
    try:
        yield
    except ValidationError as error:
        raise ScriptFailedError(script=script, reason=_OTHER_SHAPE + _first_flaw(error)) from error
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        what = f"{type(error).__name__} {error}"
        raise ScriptFailedError(script=script, reason=_OTHER_SHAPE + what) from error


def _first_flaw(error: ValidationError) -> str:
    first, *others = error.errors(include_url=False)
    field = ".".join(map(str, first["loc"]))
    more = f", and {len(others)} more" if others else ""
    return f"{field}: {first['msg']}{more}"


def _make_service_run(run: RunContext) -> bool:
    """Start the WSUS service unless it runs; return True if it had to be started.

    Raises:
        ServiceDownError: It does not run and cannot be started.
        WsusutilRunningError: It does not run, and a wsusutil is at work.
    """
    if (status := query_service(run, "status").status) == "Running":
        return False
    if run.rehearses:  # it starts nothing
        raise ServiceDownError(service="WsusService", state=status, side=run.site.side.value)
    service = query_service(run, "start")
    if service.status == "Running":
        return True
    if service.wsusutil:
        raise refusal([of_process(process) for process in service.wsusutil])
    raise ServiceDownError(service="WsusService", state=service.status, side=run.site.side.value)


def query_service(
    run: RunContext, action: Literal["status", "start"], *, folder: HostPath | None = None
) -> ServiceState:
    """Read the service's state and every ``wsusutil`` at work; ``start`` starts the service first.

    The script does not start the service while a ``wsusutil`` works.
    """
    settings = {"action": action, "wait_seconds": run.site.server.service_wait_seconds}
    with answer_errors("control-service"):
        return ServiceState.model_validate(
            _query_line(run, "control-service", settings, folder=folder)
        )
