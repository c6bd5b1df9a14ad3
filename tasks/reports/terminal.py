"""A run on a terminal: bars while it works, a short summary at its end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import IO

from tqdm import tqdm

from tasks.logs import log
from tasks.progress import Unit
from tasks.reports.model import CommandReport
from tasks.reports.summary import attention, next_step, summary_facts
from tasks.reports.text import cell, size
from tasks.visible import visible

_FLUSH_SECONDS = 0.2
_MISSING_LINES = 20


def print_report(
    report: CommandReport,
    *,
    as_json: bool,
    out: IO[str] | None = None,
    err: IO[str] | None = None,
) -> None:
    """Print one JSON document, or a summary for people, on stdout; on stderr what to do now.

    The last line on stderr is always the next step.
    """
    # ASCII only: the same bytes whatever the code page of the console or pipe.
    said = [json.dumps(report.as_json())] if as_json else summarise(report)
    print_lines(said, out or sys.stdout)
    errors = [
        f"{'  ' if number else 'error: '}{visible(line)}"
        for error in report.errors
        for number, line in enumerate(error.lines or (error.message,))
    ]
    print_lines([*errors, f"next: {visible(_now(report))}"], err or sys.stderr)


def open_streams() -> None:
    """Open what our caller closed (``>&-``), so that no file of ours gets its number.

    What is said there goes nowhere, instead of into another stream or a database.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def let_go(stream: IO[str]) -> None:
    """Let a stream lead nowhere that nobody reads any more, also when Python empties it."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_lines(lines: Sequence[str], stream: IO[str]) -> None:
    """Print lines at once, what the stream's code page lacks written out.

    That nobody reads on (``| head``) does not change how the command ended.
    """
    try:
        for line in lines:
            print(_encodable(line, stream), file=stream)
        stream.flush()
    except OSError:
        let_go(stream)


def _now(report: CommandReport) -> str:
    where = f" Report: {report.report}" if report.outcome != "done" and report.report else ""
    return next_step(report) + where


def summarise(report: CommandReport) -> list[str]:
    """A run in a few aligned lines; foreign text made visible."""
    said = [visible(line) for line in report.lines]
    if said and report.run is None and not report.errors:
        return said  # a small command has nothing but what it says
    site = f" {visible(report.site)}" if report.site else ""
    facts = [(fact.label, cell(fact.value, fact.kind)) for fact in summary_facts(report)]
    if report.report is not None:
        facts.append(("Report", visible(str(report.report))))
    width = max((len(label) for label, _ in facts), default=0)
    lines = [f"{visible(report.command)}{site}: {report.outcome}"]
    lines += [f"  {label:<{width}}  {value}" for label, value in facts]
    lines += [f"  {line}" for line in said]
    lines += [f"  ! {visible(reason)}" for reason in attention(report)]
    return lines + _missing_lines(report)


def _missing_lines(report: CommandReport) -> list[str]:
    missing = report.missing or ()
    lines = []
    for one in missing[:_MISSING_LINES]:
        title = visible(one.title) or f"{one.update_id} revision {one.revision}"
        amount = "" if one.size_bytes is None else f", {size(one.size_bytes)}"
        lines.append(
            f"    {visible(one.file or 'unknown file')}{amount}: {one.reason.value}; {title}"
        )
    if len(missing) > _MISSING_LINES:
        lines.append(f"    and {len(missing) - _MISSING_LINES:,} more in the report")
    return lines


def _encodable(text: str, stream: IO[str]) -> str:
    """Text that the stream can take: what its code page lacks is written out."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def show_steps() -> None:
    """Say on stderr what each step does, with the time, as it happens."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(lines)


class _Bar(tqdm):  # type: ignore[type-arg] # a bar without an iterable
    """A bar without tqdm's watching thread: we redraw by the clock ourselves."""

    monitor_interval = 0


class TerminalProgress:
    """Bars by tqdm, on a terminal only. ``advance`` is cheap and may come from any thread.

    tqdm looks at the clock and redraws within ``update``; counting here and telling it five times
    a second costs a tenth of that.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._lock = Lock()
        self._bar: _Bar | None = None
        self._waiting = 0
        self._told = 0.0

    def start(self, step: str, *, total: int | None, unit: Unit) -> None:
        """Begin a bar; one that is still open ends."""
        self.finish()
        stream = self._stream or sys.stderr
        if not stream.isatty():
            return
        is_bytes = unit == "bytes"
        bar = _Bar(
            desc=visible(step),
            total=total,
            unit="B" if is_bytes else f" {unit}",
            unit_scale=is_bytes,
            file=stream,
            mininterval=0,
            dynamic_ncols=True,
        )
        with self._lock:
            self._bar, self._waiting, self._told = bar, 0, time.monotonic()

    def advance(self, amount: int) -> None:
        """Count; redraw at most five times a second."""
        with self._lock:
            self._waiting += amount
            moment = time.monotonic()
            if moment - self._told >= _FLUSH_SECONDS:
                self._told = moment
                self._flush()

    def finish(self) -> None:
        """Draw what is left and end the bar."""
        with self._lock:
            self._flush()
            bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def _flush(self) -> None:
        amount, self._waiting = self._waiting, 0
        if self._bar is not None and amount:
            self._bar.update(amount)
