"""Content downloads of WSUS around a run of wsusutil.

Before an export they are waited for, or stop it. During an import they are paused: WSUS looks at
its content while it takes up the metadata, and Microsoft's procedure has no downloads beside it.
That they are paused is written into the ledger first, so that whatever ends the run, it or the next
run of this side resumes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tasks.errors import AirGapError, ConnectionLostError, TimeLimitError
from tasks.hosts.waiting import Pace, poll
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.quantities import size
from tasks.refusals import ServerUnfitError
from tasks.run.context import RunContext
from tasks.server.queries import control_downloads, read_running_server

PACE = Pace(first_seconds=1.0, longest_seconds=15.0)
STILL_SECONDS = 1_800.0
"""Time after which downloads that do not move any more are not waited for."""


def settle_downloads(run: RunContext, facts: ServerFacts) -> ServerFacts:
    """Wait before an export until WSUS has downloaded what is approved, as the policy says.

    After ``policy.download_wait_hours``, or when nothing moves any more, the export goes on, and
    its report names what is missing. A rehearsal neither waits nor is refused: it says so.

    Args:
        run: The run.
        facts: The server's facts.

    Returns:
        The facts after the wait.

    Raises:
        ServerUnfitError: Downloads are running, and ``policy.on_downloads`` is ``stop``.
    """
    if waiting_bytes(facts) <= 0:
        return facts
    if run.rehearses:
        run.report.notice(
            f"WSUS has still to download {size(waiting_bytes(facts))} of approved content; the "
            "export waits for it, or is refused, by policy.on_downloads"
        )
        return facts
    if run.site.policy.on_downloads == "stop":
        raise ServerUnfitError(
            side=run.site.side.value,
            reason=f"WSUS has still to download {size(waiting_bytes(facts))} of approved content",
            remedy="Run the export again when the downloads have ended, or set "
            'policy.on_downloads = "wait".',
        )
    wait = _Wait(facts, lambda: read_running_server(run))
    hours = run.site.policy.download_wait_hours
    try:
        poll(
            wait.look,
            what="downloads of approved content",
            limit_seconds=hours * 3_600,
            pace=PACE,
            detail=lambda: f"{size(waiting_bytes(wait.facts))} left",
        )
    except TimeLimitError:
        log.info("downloads were waited for %g hours", hours)
    left_over = waiting_bytes(wait.facts)
    if left_over > 0:
        run.report.notice(
            f"WSUS has still to download {size(left_over)} of approved content; the bundle goes "
            "without it, and the report names what is missing"
        )
    return wait.facts


class _Wait:
    """A wait for downloads; ``look`` returns True when it is over."""

    def __init__(self, facts: ServerFacts, read: Callable[[], ServerFacts]) -> None:
        self.facts = facts
        self._read = read
        self._moved = time.monotonic()

    def look(self) -> bool | None:
        """Read the server, and see whether the downloads have ended or stand still."""
        before, self.facts = self.facts, self._read()
        if waiting_bytes(self.facts) != waiting_bytes(before):
            self._moved = time.monotonic()
        is_over = waiting_bytes(self.facts) <= 0
        is_still = time.monotonic() - self._moved >= STILL_SECONDS
        return True if is_over or is_still else None


def waiting_bytes(facts: ServerFacts) -> int:
    """Return what WSUS has still to download, in bytes."""
    return facts.bytes_to_download - facts.bytes_downloaded


@contextmanager
def paused_downloads(run: RunContext, *, is_loading: bool) -> Iterator[None]:
    """Pause running downloads for the block, and resume them at its end, unless wsusutil goes on.

    If they cannot be resumed, the next run of this side does it. After a lost connection they are
    not resumed here: the step is tried again, and does it.

    Args:
        run: The run.
        is_loading: Our ``wsusutil import`` is at work already, from an earlier try: the service is
            stopped, and downloads were paused before it.
    """
    if not is_loading:
        _pause_downloads(run)
    try:
        yield
    except ConnectionLostError as error:
        if run.ledger.paused_downloads is not None:
            run.report.still_paused = _still_paused(error)
        raise
    except BaseException:
        if run.waits_for is None:
            with suppress(ConnectionLostError):  # the error of the block ends the run
                resume_downloads(run)
        raise
    if run.waits_for is None:
        resume_downloads(run)


def _pause_downloads(run: RunContext) -> None:
    is_paused = run.ledger.paused_downloads is not None  # by an earlier try
    run.ledger.remember_paused(run.run_id)  # before the server is asked, for a kill in between
    was_running = control_downloads(run, "pause")
    if was_running > 0:
        sentence = f"downloads were paused for the import, {size(was_running)} were left"
        log.info("%s", sentence)
        run.report.lines.append(sentence)
    elif not is_paused:
        run.ledger.remember_paused(None)


def resume_downloads(run: RunContext) -> None:
    """Resume downloads that this run, or an earlier one, has paused.

    If the server refuses, the run goes on; downloads that are still paused at its end are a notice.
    A rehearsal leaves them: it changes nothing on the server.

    Raises:
        ConnectionLostError: The step may be tried again.
    """
    if run.ledger.paused_downloads is None or run.rehearses:
        return
    try:
        control_downloads(run, "resume")
    except AirGapError as error:
        run.report.still_paused = _still_paused(error)
        if isinstance(error, ConnectionLostError):
            raise
        log.warning("%s", run.report.still_paused)
        return
    run.report.still_paused = None
    run.ledger.remember_paused(None)
    log.info("downloads were resumed")
    run.report.lines.append("downloads were resumed")


def _still_paused(error: AirGapError) -> str:
    return (
        f"downloads are still paused, and could not be resumed: {error.message}; the next run "
        "tries again"
    )
