"""Waiting for servers, scripts and connections: with a limit, and never in silence.

``poll`` asks again and again, ``retry`` tries again, ``watched`` stands beside one call that
blocks. Whoever waits longer than a minute says so once a minute, in the log, so that terminal,
page and pipe show what is waited for. All times are arguments: a test waits tenths of a second.
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

_LOOK_SECONDS = 0.5  # how often the watcher looks at the calls that are open


@dataclass(frozen=True, slots=True)
class Pace:
    """How often something is asked, and how often that is reported.

    Attributes:
        first_seconds, longest_seconds: The pause grows from the one to the other.
        report_every_seconds: How long nobody hears of the wait.
    """

    first_seconds: float = 0.05
    longest_seconds: float = 5.0
    report_every_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the connection to a server is waited for.

    Attributes:
        connect_seconds: For each part of the greeting, and for a new session.
        answer_seconds: For one answer; a disk that wakes up or flushes takes its time.
        report_every_seconds: How long nobody hears of a wait.
        retry_delays_seconds: Pauses before the second, third, … try after the connection broke.
        most_stalls: So many times without an answer, one after the other, and it is given up.
        steady_seconds: Work for so long after a connection was made ends such a row.
    """

    connect_seconds: float = 15.0
    answer_seconds: float = 120.0
    report_every_seconds: float = 60.0
    retry_delays_seconds: tuple[float, ...] = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0)
    most_stalls: int = 3
    steady_seconds: float = 60.0


def poll(
    ask: Callable[[], Result | None],
    *,
    what: str,
    limit_seconds: float | None,
    pace: Pace | None = None,
    detail: Callable[[], str] | None = None,
    report: Report = log.info,
) -> Result:
    """Ask until there is an answer, and give it.

    Args:
        ask: Gives None as long as there is no answer.
        what: What is waited for, as a sentence names it.
        limit_seconds: When to give up; None: never (``wsusutil`` alone).
        pace: How often to ask and to report.
        detail: How far it is, for the report; asked only then.
        report: Where the report goes.

    Raises:
        TimeLimitError: There is none at the limit. Nothing is ended here.
    """
    pace = pace or Pace()
    began = time.monotonic()
    pause_seconds, next_report = pace.first_seconds, began + pace.report_every_seconds
    while (answer := ask()) is None:
        moment = time.monotonic()
        if limit_seconds is not None and moment - began >= limit_seconds:
            raise TimeLimitError(what=what, limit_seconds=limit_seconds)
        if moment >= next_report:
            more = f" ({detail()})" if detail else ""
            report(_sentence(what, moment - began) + more)
            next_report = moment + pace.report_every_seconds
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, pace.longest_seconds)
    return answer


def retry(
    action: Callable[[], Result],
    *,
    delays_seconds: Iterable[float],
    passes: Callable[[Exception], bool],
) -> Result:
    """Carry out an action, again after each delay as long as its error is one that passes.

    Raises:
        Exception: What the last try raised, or the first whose error does not pass.
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
    """A call that is open. ``has_expired``: it was told to end, at its limit or after it."""

    what: str
    report_every_seconds: float
    limit_seconds: float | None
    at_limit: Callable[[], bool] | None
    report: Report
    began: float = field(default_factory=time.monotonic)
    has_expired: bool = False
    next_report: float = 0.0
    # Log lines find the run's page by the context of whoever waits.
    context: contextvars.Context = field(default_factory=contextvars.copy_context)

    def look(self, moment: float) -> None:
        """Report when it is time, and end the call at its limit."""
        waited = moment - self.began
        is_over = self.limit_seconds is not None and waited >= self.limit_seconds
        if is_over and self.at_limit is not None and not self.has_expired:
            self.has_expired = self.at_limit()
        elif waited >= self.report_every_seconds and moment >= self.next_report:
            self.next_report = moment + self.report_every_seconds
            self.context.run(self.report, _sentence(self.what, waited))


class _Watcher:
    """One thread that looks at all open calls; opening one costs a microsecond."""

    def __init__(self) -> None:
        self._open: dict[int, Watch] = {}
        self._numbers = count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, watch: Watch) -> int:
        number = next(self._numbers)
        self._open[number] = watch
        if self._thread is None or not self._thread.is_alive():  # a fork takes no thread along
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
            times = [each.report_every_seconds for each in watches]
            times += [each.limit_seconds for each in watches if each.limit_seconds is not None]
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
    """Stand beside a call that blocks: report it once a minute, and end it at its limit.

    Args:
        what: What is waited for, as a sentence names it.
        report_every_seconds: How long nobody hears of the wait.
        limit_seconds: When ``at_limit`` is called; None where the call has a limit of its own.
        at_limit: Makes the call end, from another thread, and gives True; or gives False to be
            asked again soon. It must not block.
        report: Where the report goes.
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
