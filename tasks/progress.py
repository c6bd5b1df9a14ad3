"""Progress of long work, reported without knowledge of the reader.

The protocol lies below every package, so that hosts, content and bundle report by the same three
calls to a terminal (tqdm), to Prefect's UI (progress artifacts) or to no reader at all.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Literal, Protocol

from tasks.logs import log
from tasks.quantities import count, duration, size

Unit = Literal["bytes", "files", "updates"]


class Progress(Protocol):
    """Receiver of one step's progress. Calls may come from several threads."""

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        """Begin a step.

        Args:
            step: What is done, for people.
            total: All of it; None if it is unknown.
            unit: What is counted.
            resumed_at: What an earlier run has done of it, where this one begins.
        """

    def advance(self, amount: int) -> None:
        """Add ``amount`` of the unit; must be cheap, called once per chunk or small file."""

    def check(self, amount: int) -> None:
        """Add ``amount`` of what was found, and is proved now; as cheap."""

    def finish(self) -> None:
        """End the step."""


class LoggedProgress:
    """Progress that also logs a line a minute: how far, how fast, and for how long still.

    So a pipe, a journal and the page of a run show that a long step works.
    """

    def __init__(self, inner: Progress, *, line_seconds: float = 60.0) -> None:
        self._inner = inner
        self._line_seconds = line_seconds
        self._lock = Lock()
        self._step, self._unit, self._total = "", "bytes", 0
        self._done, self._began, self._line_at = 0, 0.0, float("inf")
        self._found, self._checked = 0, 0

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        """Begin a step; say what is there of it."""
        self._inner.start(step, total=total, unit=unit, resumed_at=resumed_at)
        with self._lock:
            self._step, self._unit, self._total, self._done = step, unit, total or 0, 0
            self._found, self._checked = resumed_at, 0
            self._began = time.monotonic()
            self._line_at = self._began + self._line_seconds

    def advance(self, amount: int) -> None:
        """Count, and log a line if one is due."""
        self._inner.advance(amount)
        self._count(amount, 0)

    def check(self, amount: int) -> None:
        """Count, and log a line if one is due."""
        self._inner.check(amount)
        self._count(*((0, amount) if self._found else (amount, 0)))

    def _count(self, done: int, checked: int) -> None:
        with self._lock:
            self._done += done
            self._checked += checked
            moment = time.monotonic()
            if moment < self._line_at:
                return
            self._line_at = moment + self._line_seconds
            line = self._line(moment - self._began)
        log.info("%s", line)  # outside the lock: other threads go on counting

    def finish(self) -> None:
        """End the step."""
        with self._lock:
            self._line_at = float("inf")
        self._inner.finish()

    def _line(self, seconds: float) -> str:
        there = self._found + self._done
        parts = [self._amount(there)]
        if self._total:
            parts[0] += f" of {self._amount(self._total)}"
        if self._found:
            checked = self._amount(self._checked)
            parts.append(f"{self._amount(self._found)} of it from before ({checked} proved again)")
        # What is proved is read as what is copied is, so that both say how fast it goes.
        worked = self._done + self._checked
        rate = worked / seconds if seconds > 0 else 0.0
        parts.append(f"{self._amount(round(rate))} a second")
        if self._total and rate > 0:
            parts.append(f"{duration(max(self._total - worked, 0) / rate)} left")
        return f"{self._step}: {', '.join(parts)}"

    def _amount(self, number: int) -> str:
        return size(number) if self._unit == "bytes" else f"{count(number)} {self._unit}"


class Silence:
    """Progress without a reader."""

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        """Do nothing."""

    def advance(self, amount: int) -> None:
        """Do nothing."""

    def check(self, amount: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""
