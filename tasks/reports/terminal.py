"""Run on a terminal: bars while it works, a short summary at its end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import IO

from tqdm import tqdm

from tasks.logs import log
from tasks.progress import Unit
from tasks.quantities import size
from tasks.reports.check_sections import findings_lines
from tasks.reports.colour import print_coloured
from tasks.reports.columns import table_lines
from tasks.reports.model import CommandReport
from tasks.reports.summary import attention, next_step, summary_facts
from tasks.reports.text import cell
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
    """Print one JSON document, or a summary for people, on stdout; errors and next step on stderr.

    The last line on stderr is always the next step.
    """
    # ASCII only, so that the bytes do not depend on the code page of the console or pipe.
    lines = [json.dumps(report.as_json())] if as_json else summarise(report)
    out, err = out or sys.stdout, err or sys.stderr
    print_lines(lines, out)
    errors = [
        f"{'  ' if number else 'error: '}{visible(line)}"
        for error in report.errors
        for number, line in enumerate(error.lines or (error.message,))
    ]
    is_seen = not as_json and out.isatty() and err.isatty()  # the summary names the report
    step = next_step(report) if is_seen else _now(report)
    print_lines([*errors, f"next: {visible(step)}"], err)


def open_streams() -> None:
    """Open the standard streams that our caller closed (``>&-``) on the null device.

    Otherwise one of our files would get such a stream's number, and prints would go into it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def discard_output(stream: IO[str]) -> None:
    """Point a stream that is not read any more at the null device, so that no flush of it fails."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def print_lines(lines: Sequence[str], stream: IO[str]) -> None:
    """Print lines at once; characters that the stream's code page lacks are written out.

    A reader that has stopped reading (``| head``) does not change how the command ended.
    """
    shown = [_encodable(line, stream) for line in lines]
    try:
        if stream.isatty():
            print_coloured(shown, stream)
        else:
            for line in shown:
                print(line, file=stream)
        stream.flush()
    except OSError:
        discard_output(stream)


def _now(report: CommandReport) -> str:
    where = f" Report: {report.report}" if report.outcome != "done" and report.report else ""
    return next_step(report) + where


def summarise(report: CommandReport) -> list[str]:
    """Return a run in a few aligned lines, with foreign text made visible."""
    printed = [visible(line) for line in report.lines]
    tables = [line for section in report.tables for line in table_lines(section)]
    if report.command == "status" and tables:
        return [*tables, *map(visible, report.notices)]  # its lines say the same for programs
    if printed and report.run is None and not report.errors:
        return [*tables, *printed]  # a small command has only its lines and tables
    site = f" {visible(report.site)}" if report.site else ""
    facts = [(fact.label, cell(fact.value, fact.kind)) for fact in summary_facts(report)]
    if report.report is not None:
        facts.append(("Report", visible(str(report.report))))
    width = max((len(label) for label, _ in facts), default=0)
    lines = [f"{visible(report.command)}{site}: {report.outcome}"]
    lines += [f"  {label:<{width}}  {value}" for label, value in facts]
    lines += tables
    if report.command == "check":  # for programs and pages they are a table
        lines += [f"  {visible(line)}" for line in findings_lines(report.findings or ())]
    lines += [f"  {line}" for line in printed]
    lines += [f"  ! {visible(reason)}" for reason in attention(report)]
    return lines + _missing_lines(report)


def _missing_lines(report: CommandReport) -> list[str]:
    missing = report.missing or ()
    lines = []
    for file in missing[:_MISSING_LINES]:
        title = visible(file.title) or f"{file.update_id} revision {file.revision}"
        amount = "" if file.size_bytes is None else f", {size(file.size_bytes)}"
        lines.append(
            f"    {visible(file.file or 'unknown file')}{amount}: {file.reason.value}; {title}"
        )
    if len(missing) > _MISSING_LINES:
        lines.append(f"    and {len(missing) - _MISSING_LINES:,} more in the report")
    return lines


def _encodable(text: str, stream: IO[str]) -> str:
    """Return text that the stream can take; characters that its code page lacks are escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def show_steps() -> None:
    """Print the lines of each step on stderr, with the time, as they are logged."""
    lines = logging.StreamHandler(sys.stderr)
    lines.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    log.addHandler(lines)


def ask_person(lines: Sequence[str]) -> bool:
    """Show lines to the person at the terminal, and return True if the answer is ``yes``."""
    print_lines([f"  {visible(line)}" for line in lines], sys.stderr)
    sys.stderr.write("Carry this out? Type yes: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() == "yes"


class _Bar(tqdm):  # type: ignore[type-arg] # a bar without an iterable
    """Bar without tqdm's monitor thread, since we redraw by the clock ourselves."""

    monitor_interval = 0


class TerminalProgress:
    """Bars by tqdm, on a terminal only. ``advance`` is cheap and may come from any thread.

    tqdm reads the clock and redraws within ``update``. Counting here and calling it five times a
    second costs a tenth of that.
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream
        self._lock = Lock()
        self._bar: _Bar | None = None
        self._make_bar: Callable[[], _Bar] | None = None
        self._uncounted = 0
        self._flushed = 0.0
        self._found, self._checked = 0, 0

    def start(self, step: str, *, total: int | None, unit: Unit, resumed_at: int = 0) -> None:
        """Begin a bar, at what is there already; one that is still open ends."""
        self.finish()
        stream = self._stream or sys.stderr
        if not stream.isatty():
            return
        is_bytes = unit == "bytes"

        def make_bar() -> _Bar:
            return _Bar(
                desc=visible(step),
                total=total,
                initial=resumed_at,
                unit="B" if is_bytes else f" {unit}",
                unit_scale=is_bytes,
                file=stream,
                mininterval=0,
                dynamic_ncols=True,
            )

        with self._lock:
            # A step without work leaves no dead bar: the first count draws it.
            self._make_bar, self._uncounted, self._flushed = make_bar, 0, time.monotonic()
            self._found, self._checked = resumed_at, 0

    def advance(self, amount: int) -> None:
        """Count; redraw at most five times a second."""
        with self._lock:
            self._uncounted += amount
            moment = time.monotonic()
            if moment - self._flushed >= _FLUSH_SECONDS:
                self._flushed = moment
                self._flush()

    def check(self, amount: int) -> None:
        """Count what was found and is proved: the bar stays, and says how far that is."""
        if not self._found:
            self.advance(amount)
            return
        with self._lock:
            self._checked += amount
            moment = time.monotonic()
            if moment - self._flushed < _FLUSH_SECONDS:
                return
            self._flushed = moment
            if self._bar is None and self._make_bar is not None:
                self._bar = self._make_bar()
            if self._bar is not None:
                self._bar.set_postfix_str(f"proved {size(self._checked)} of {size(self._found)}")

    def finish(self) -> None:
        """Draw the rest and end the bar."""
        with self._lock:
            self._flush()
            bar, self._bar, self._make_bar = self._bar, None, None
        if bar is not None:
            bar.close()

    def _flush(self) -> None:
        amount, self._uncounted = self._uncounted, 0
        if amount and self._bar is None and self._make_bar is not None:
            self._bar = self._make_bar()
        if self._bar is not None and amount:
            self._bar.update(amount)
