"""Waits for servers, scripts and connections: each has a limit, and long waits are logged.

``poll`` repeats a query, ``repeat_after_errors`` repeats an action after an error, and ``watched``
watches one blocking call. Every wait of more than a minute is logged once a minute, so that the
terminal, the run's page and the pipe show it. All times are arguments: a test waits tenths of a
second.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from tasks.errors import TimeLimitError
from tasks.logs import log

Result = TypeVar("Result")
Report = Callable[[str], None]

_LOOK_SECONDS = 0.5  # longest pause between two looks of the watcher at the open calls


@dataclass(frozen=True, slots=True)
class Pace:
    """Pauses between queries, and between reports of the wait.

    Attributes:
        first_seconds, longest_seconds: First and longest pause; the pause grows between them.
        report_every_seconds: Time until the first report, and between reports.
    """

    first_seconds: float = 0.05
    longest_seconds: float = 5.0
    report_every_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """Time limits and retries of a connection to a server.

    Attributes:
        connect_seconds: Limit for each of connecting, greeting and logging in, and for a new
            session.
        answer_seconds: Limit for one answer; a disk may need time to wake up or flush.
        report_every_seconds: Time until a wait is first reported, and between reports.
        retry_delays_seconds: Pauses before the second, third, … try after the connection broke.
        most_stalls: Number of stalls in a row (no answer in time) after which we give up.
        steady_seconds: A connection that worked for so long ends a row of stalls.
    """

    connect_seconds: float = 15.0
    answer_seconds: float = 120.0
    report_every_seconds: float = 60.0
    retry_delays_seconds: tuple[float, ...] = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
    most_stalls: int = 3
    steady_seconds: float = 60.0


def poll(
    query: Callable[[], Result | None],
    *,
    what: str,
    limit_seconds: float | None,
    pace: Pace | None = None,
    detail: Callable[[], str] | None = None,
    report: Report = log.info,
) -> Result:
    """Repeat a query until it has an answer, and return the answer.

    Args:
        query: Returns None as long as there is no answer.
        what: Object of the wait, as a noun for messages.
        limit_seconds: Time limit; None: no limit (only for ``wsusutil``).
        pace: Pauses between queries and between reports.
        detail: Returns the progress for a report; called only for a report.
        report: Takes the report.

    Raises:
        TimeLimitError: There is no answer at the limit. Nothing is stopped here.
    """
    pace = pace or Pace()
    began = time.monotonic()
    pause_seconds, next_report = pace.first_seconds, began + pace.report_every_seconds
    while (answer := query()) is None:
        moment = time.monotonic()
        if limit_seconds is not None and moment - began >= limit_seconds:
            raise TimeLimitError(what=what, limit_seconds=limit_seconds)
        if moment >= next_report:
            progress = f" ({detail()})" if detail else ""
            report(_sentence(what, moment - began) + progress)
            next_report = moment + pace.report_every_seconds
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, pace.longest_seconds)
    return answer


def repeat_after_errors(
    action: Callable[[], Result],
    *,
    delays_seconds: Iterable[float],
    passes: Callable[[Exception], bool],
) -> Result:
    """Carry out an action, and repeat it after each delay while its error may pass by waiting.

    Args:
        action: The action.
        delays_seconds: Pauses before the second, third, … try.
        passes: Returns True for an error that may pass by waiting.

    Raises:
        Exception: The error of the last try, or the first error that does not pass.
    """
    for delay_seconds in delays_seconds:
        try:
            return action()
        except Exception as error:
            if not passes(error):
                raise
        time.sleep(delay_seconds)
    return action()


@dataclass(slots=True)
class Watch:
    """A watched call. ``has_expired``: True after the call was told to end at its limit."""

    what: str
    report_every_seconds: float
    limit_seconds: float | None
    at_limit: Callable[[], bool] | None
    report: Report
    began: float = field(default_factory=time.monotonic)
    has_expired: bool = False
    next_report: float = 0.0
    # Log lines reach the run's page by the context of the waiting thread.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def look(self, moment: float) -> None:
        """Report the call if a report is due, and end it at its limit."""
        waited = moment - self.began
        is_over = self.limit_seconds is not None and waited >= self.limit_seconds
        if is_over and self.at_limit is not None and not self.has_expired:
            self.has_expired = self.at_limit()
        elif waited >= self.report_every_seconds and moment >= self.next_report:
            self.next_report = moment + self.report_every_seconds
            self.context.run(self.report, _sentence(self.what, waited))


class _Watcher:
    """One thread that looks at all watched calls; adding a call costs a microsecond."""

    def __init__(self) -> None:
        self._open: dict[int, Watch] = {}
        self._numbers = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> int:
        number = next(self._numbers)
        self._open[number] = watch
        if self._thread is None or not self._thread.is_alive():  # threads do not survive a fork
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, name="waits", daemon=True)
                    self._thread.start()
        return number

    def remove(self, number: int) -> None:
        self._open.pop(number, None)

    def _run(self) -> None:
        while True:
            watches = list(self._open.copy().values())
            for watch in watches:
                watch.look(time.monotonic())
            times = [watch.report_every_seconds for watch in watches]
            times += [watch.limit_seconds for watch in watches if watch.limit_seconds is not None]
            time.sleep(min([_LOOK_SECONDS, *(seconds / 4 for seconds in times)]))


_watcher = _Watcher()


@contextmanager
def watched(
    what: str,
    *,
    report_every_seconds: float = 60.0,
    limit_seconds: float | None = None,
    at_limit: Callable[[], bool] | None = None,
    report: Report = log.info,
) -> Iterator[Watch]:
    """Watch a blocking call: report it once a minute, and end it at its limit.

    Args:
        what: Object of the wait, as a noun for messages.
        report_every_seconds: Time until the first report, and between reports.
        limit_seconds: Time after which ``at_limit`` is called; None if the call has its own limit.
        at_limit: Ends the call, from another thread, and returns True; or returns False to be
            called again soon. It must not block.
        report: Takes the report.
    """
    watch = Watch(what, report_every_seconds, limit_seconds, at_limit, report)
    number = _watcher.add(watch)
    try:
        yield watch
    finally:
        _watcher.remove(number)


def _sentence(what: str, waited_seconds: float) -> str:
    minutes, seconds = divmod(round(waited_seconds), 60)
    return f"still waiting for {what}, for {minutes} min {seconds:02d} s"
