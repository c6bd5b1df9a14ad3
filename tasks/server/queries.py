"""Ask a server through our scripts: one script run a question, whatever the number of items."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.approvals.capture import ServerDecisions, read_decisions
from tasks.errors import ScriptFailedError, ServiceDownError
from tasks.hosts.host import Json
from tasks.hosts.paths import HostPath
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil_process import Process, of_process, refusal
from tasks.names import UTC_SECOND
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.scripts import load_script

BATCH_SECONDS = 6 * 3_600.0
_OTHER_SHAPE = "its answer has another shape than ours: "


class ServiceState(BaseModel):
    """How the WSUS service stands, and every ``wsusutil`` at work; what the server says of itself.

    ``status`` is Windows' word: Running, Stopped, StartPending.
    """

    model_config = ConfigDict(frozen=True)

    status: str
    wsusutil: tuple[Process, ...] = ()


def ask(
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
        folder: Where it runs; a folder of this run when left out. A piece of work that may be
            taken up again by another run has a folder of its own.
        timeout_seconds: When to stop waiting; None: ``server.script_limit_minutes``.

    Raises:
        ScriptFailedError: It ended without its answer; may come while the answer is read.
        TimeLimitError: It is still running at the limit; it is left alone.
    """
    if folder is None:
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


def _ask_one(
    run: RunContext,
    script: str,
    settings: Mapping[str, object],
    *,
    folder: HostPath | None = None,
) -> Json:
    """Run a script whose answer is one line.

    Raises:
        ScriptFailedError: It answered with none, or with more.
    """
    lines = ask(run, script, settings, folder=folder)
    first = next(lines, None)
    others = sum(1 for _ in lines)  # to the end, which shows whether the answer is whole
    if first is None or others:
        found = 0 if first is None else 1 + others
        raise ScriptFailedError(script=script, reason=f"expected one line, found {found}")
    return first


def read_server(run: RunContext, *, since: datetime | None = None) -> ServerFacts:
    """Read a server's facts; ``since`` asks also how many updates arrived after it."""
    moment = None if since is None else since.strftime(UTC_SECOND)
    with answer_errors("read-server"):
        return ServerFacts.model_validate(_ask_one(run, "read-server", {"since": moment}))


def read_running_server(run: RunContext, *, since: datetime | None = None) -> ServerFacts:
    """Read a server's facts, after starting its service where it is stopped.

    A server whose service runs is asked once.

    Raises:
        ServiceDownError: The service does not run and cannot be started.
        WsusutilRunningError: It does not run, and a wsusutil is at work, which may have stopped it.
        ScriptFailedError: The API does not answer although the service runs.
    """
    try:
        facts = read_server(run, since=since)
        if facts.service_status == "Running":
            return facts
    except ScriptFailedError:
        if not _make_service_run(run):
            raise
    else:
        if not _make_service_run(run):
            return facts  # it could not be seen, and runs
    run.report.notice("WsusService was stopped and has been started")
    return read_server(run, since=since)


def read_revisions(
    run: RunContext, revisions: Iterable[RevisionId]
) -> Iterator[tuple[RevisionId, Json]]:
    """Yield what the server says of revisions, one after the other: those that it has.

    Number 0 asks for the newest revision of an update.
    """
    items = ({"update_id": update_id, "revision": number} for update_id, number in revisions)
    with answer_errors("read-updates"):
        for line in ask(run, "read-updates", items=items, timeout_seconds=BATCH_SECONDS):
            if line.get("kind") == "update" and line.get("found"):
                update_id = sys.intern(str(line["update_id"]))
                yield RevisionId(update_id, int(str(line["revision"]))), line


def read_approvals(run: RunContext) -> ServerDecisions:
    """Read groups, approvals and declines of a server in one scoped call."""
    with answer_errors("read-approvals"):
        return read_decisions(ask(run, "read-approvals"))


def read_all_approvals(run: RunContext, facts: ServerFacts) -> ServerDecisions:
    """Read them, and see that they are no fewer than the server counted: they travel as all.

    Raises:
        ScriptFailedError: They are fewer. What changed in between is seen alike by the next run.
    """
    found = read_approvals(run)
    approved = {each.update_id for each in found.approval_set.approvals}
    declined = found.approval_set.declined_ids()
    for what, counted, named in (
        ("approved", facts.approved_count, len(approved)),
        ("declined", facts.declined_count, len(declined)),
    ):
        if named < counted:
            reason = f"the server counts {counted} {what} updates, and it names {named}"
            raise ScriptFailedError(script="read-approvals", reason=reason)
    return found


@contextmanager
def answer_errors(script: str) -> Iterator[None]:
    """Say whose answer it was where one is whole and yet not what the script writes.

    Raises:
        ScriptFailedError: In place of what reading the answer raised.
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
    """See that the WSUS service runs, starting it if need be; True when it had to be started.

    Raises:
        ServiceDownError: It does not run and cannot be started.
        WsusutilRunningError: It does not run, and a wsusutil is at work.
    """
    if ask_service(run, "status").status == "Running":
        return False
    found = ask_service(run, "start")
    if found.status == "Running":
        return True
    if found.wsusutil:
        raise refusal([of_process(each) for each in found.wsusutil])
    raise ServiceDownError(service="WsusService", state=found.status, side=run.site.side.value)


def ask_service(
    run: RunContext, action: Literal["status", "start"], *, folder: HostPath | None = None
) -> ServiceState:
    """Ask for the service and every ``wsusutil`` at work, or start the service if none is."""
    settings = {"action": action, "wait_seconds": run.site.server.service_wait_seconds}
    with answer_errors("control-service"):
        return ServiceState.model_validate(
            _ask_one(run, "control-service", settings, folder=folder)
        )
