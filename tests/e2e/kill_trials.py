"""Kill a command, or a process that it works with, at an instant of its undisturbed run."""

from __future__ import annotations

import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import psutil

from deploy.lab import pair
from tests.e2e.killing import CALLS, Ended, Outcome, calls_of, observe
from tests.support.labs import ROOT, Lab, make_lab

Way = Literal["server", "command", "supervisor", "wsusutil", "script", "tree"]
STAGES = ("export", "import", "accept", "second export", "second import", "audit", "verify")
_NEEDLES = {
    "server": "deploy.prefect_server.embedded_child",
    "supervisor": "wsus-airgap-job",
    "wsusutil": "deploy.lab.wsusutil",
    "script": "deploy.lab.powershell",
}
_SINGLE_WAYS: tuple[Way, ...] = ("command", "tree")
_SERVER_WAYS: dict[str, tuple[Way, ...]] = {
    "export": ("command", "tree", "supervisor", "wsusutil", "script"),
    "import": ("command", "tree", "supervisor", "wsusutil", "script"),
    "audit": ("command", "tree", "script"),
}
_STEP = re.compile(r"\d\d:\d\d:\d\d  ([A-Z][^,:.]+)")
_RERUNS = 3
# How a program's launcher finds out what it was asked for.
_VERBS = {"wsusutil": 'echo "$1"', "powershell": 'echo "$*" | grep -o "[a-z-]*[.]ps1"'}
_NOTING = """#!/bin/sh
name="{name}"
echo "$name begins" >>"{log}"
{command}
code=$?
echo "$name $code" >>"{log}"
exit $code
"""
_COMMAND_SECONDS = 300.0


def ways_of(stage: str, *, embedded: bool) -> tuple[Way, ...]:
    """What can be killed in a stage; without an embedded server only what has no server."""
    ways = _SERVER_WAYS.get(stage.rpartition(" ")[2], _SINGLE_WAYS)
    return (*ways, "server") if embedded else ways


@dataclass(frozen=True, slots=True)
class Instant:
    """So long after a step began; it may have ended by then where it is quicker this time."""

    step: str
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One kill and the runs after it. ``within`` is the step that was under way, if any was hit."""

    stage: str
    way: Way
    instant: Instant
    within: str | None
    reruns: int
    differences: tuple[str, ...]


@dataclass(slots=True)
class _Running:
    """A command under way, with what it says."""

    process: subprocess.Popen[str]
    began: float
    lines: queue.SimpleQueue[tuple[float, str] | None]
    stderr: list[str]

    @classmethod
    def start(cls, made: Lab, words: tuple[str, ...]) -> _Running:
        side, *command = words
        with (made.folder.parent / "stdout").open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "flows.command_line", *command,
                 "--site", str(made.site_file(side)), "--json"],
                cwd=made.folder / side,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )  # fmt: skip
        running = cls(process, time.monotonic(), queue.SimpleQueue(), [])
        threading.Thread(target=running._listen, daemon=True).start()
        return running

    def _listen(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.stderr.append(line)
                self.lines.put((time.monotonic() - self.began, line))
        self.lines.put(None)

    def steps(self) -> Iterator[tuple[float, str]]:
        """Yield when each step begins, and at the end when the command says what comes next."""
        while (entry := self.lines.get()) is not None:
            seconds, line = entry
            if line.startswith("next:"):
                yield seconds, "end"
            elif step := _step_of(line):
                yield seconds, step

    def finish(self, output: Path) -> Ended:
        code = self.process.wait(_COMMAND_SECONDS)
        text = output.read_text(encoding="utf-8").strip()
        document = json.loads(text) if text and code >= 0 else None
        return Ended(code, document, time.monotonic() - self.began, "".join(self.stderr))


@dataclass(slots=True)
class Range:
    """A stage: a lab put back before each trial, and what the undisturbed command ends as.

    Attributes:
        steps: The steps of the undisturbed run and how long each took, in seconds.
    """

    stage: str
    made: Lab
    copy: Path
    words: tuple[str, ...]
    reference: Outcome
    steps: list[tuple[str, float]]
    scripts: Counter[str]

    def draw(self, draw: random.Random, step: str | None = None) -> Instant:
        """Draw an instant evenly over the run from first to last step, or within one step."""
        names, seconds = zip(*self.steps, strict=True)
        name = step or draw.choices(names, weights=seconds)[0]
        return Instant(name, draw.random() * dict(self.steps)[name])

    def trial(self, instant: Instant, way: Way) -> Trial:
        """Kill at an instant, run again until it ends well, compare."""
        _put_back(self.copy, self.made.folder)
        running = _Running.start(self.made, self.words)
        within = _kill(running, self.made.folder, instant, way)
        output = self.made.folder.parent / "stdout"
        ended = running.finish(output)
        if within is None:
            return Trial(self.stage, way, instant, None, 0, ())
        reruns, differences = 0, list(_unforeseen(ended))
        while ended.exit_code not in {0, 2} and reruns < _RERUNS:
            before = len(calls_of(self.made.folder))
            ended = _Running.start(self.made, self.words).finish(output)
            reruns += 1
            differences += _unforeseen(ended)
            differences += self._repeated(calls_of(self.made.folder)[before:])
        outcome = observe(self.made.folder, ended, self.reference)
        if way == "supervisor":  # an exit code that nobody took down is no result that stands
            outcome = replace(outcome, done=outcome.done & self.reference.done)
        differences += self.reference.differences(outcome)
        if outcome.exit_code != self.reference.exit_code:
            differences.append(ended.stderr[-2_000:])
        return Trial(self.stage, way, instant, within, reruns, tuple(differences))

    def _repeated(self, calls: list[tuple[str, str]]) -> list[str]:
        """Name the scripts that one rerun ran more often than the undisturbed run did."""
        ran = Counter(name for name, end in calls if end == "begins")
        return [f"run more often: {name}" for name in ran - self.scripts]


def _step_of(line: str) -> str | None:
    """The step that a line on stderr begins; what a step found out has digits or a colon."""
    match = _STEP.fullmatch(line.strip())
    return match[1] if match else None


def _unforeseen(ended: Ended) -> list[str]:
    kinds = [error["kind"] for error in (ended.document or {}).get("errors", ())]
    lines = ended.stderr.splitlines()
    found = [f"ended as {kind}" for kind in kinds if kind == "unexpected"]
    return found + [f"a traceback: {lines[-1]}"] * any("Traceback" in line for line in lines)


def prepare(home: Path, *, api_url: str | None, wanted: set[str]) -> list[Range]:
    """Go through all stages undisturbed in one lab, and keep a copy from before each one wanted."""
    folder = home / "lab"
    shutil.rmtree(folder, ignore_errors=True)
    made = make_lab(folder, api_url=api_url, seed=7)
    for side in pair.SIDES:
        _log_calls(folder, side)
    ranges = []
    receipt = ""
    last = max(STAGES.index(stage) for stage in wanted)
    for stage in STAGES[: last + 1]:
        sequence = 2 if stage.startswith("second") or stage in {"audit", "verify"} else 1
        if stage == "second export":
            made.advance()
        words = _words(stage, folder / "media" / f"alpha-{sequence}", receipt)
        copy = home / f"copy-{stage.replace(' ', '-')}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy, symlinks=True)
        running = _Running.start(made, words)
        times = list(running.steps())
        ended = running.finish(home / "stdout")
        assert ended.exit_code in {0, 2}, ended.stderr
        if stage == "import":
            receipt = str((ended.document or {})["receipt"])
        if stage in wanted:
            outcome = observe(folder, ended)
            scripts = Counter(n for n, end in calls_of(folder) if end == "begins") - Counter(
                n for n, end in calls_of(copy) if end == "begins"
            )
            steps = [(name, later - start) for (start, name), (later, _) in pairwise(times)]
            ranges.append(Range(stage, made, copy, words, outcome, steps, scripts))
    return ranges


def _words(stage: str, bundle: Path, receipt: str) -> tuple[str, ...]:
    command = stage.rpartition(" ")[2]
    if command in {"import", "verify"}:
        return ("disconnected", command, str(bundle))
    if command == "accept":
        return ("staging", command, receipt)
    return ("disconnected" if command == "audit" else "staging", command)


def _log_calls(folder: Path, side: str) -> None:
    """Have a server's programs write down when they begin and how they end."""
    for program, verb in _VERBS.items():
        path = folder / side / program
        _, command = path.read_text(encoding="utf-8").strip().split("\n")
        assert " exec " in command
        name = f"{program} {side} $({verb})"
        script = _NOTING.format(
            name=name, log=folder / CALLS, command=command.replace(" exec ", " ", 1)
        )
        path.write_text(script, encoding="utf-8")


def _kill(running: _Running, folder: Path, instant: Instant, way: Way) -> str | None:
    """Wait for the instant and kill; gives the step, None when the last one was over by then."""
    steps = running.steps()
    if not any(name == instant.step for _, name in steps):
        return None
    due = time.monotonic() + instant.delay_seconds
    while time.monotonic() < due:
        time.sleep(min(0.01, max(0.0, due - time.monotonic())))
    if way == "tree" and running.process.poll() is None:
        running.process.send_signal(signal.SIGSTOP)  # finding the others takes longer than a step
    while running.process.poll() is None and not any("next:" in line for line in running.stderr):
        if _strike(_victims(running.process.pid, folder, way)):
            return [step for line in running.stderr if (step := _step_of(line))][-1]
        time.sleep(0.01)
    if way == "tree" and running.process.poll() is None:
        running.process.send_signal(signal.SIGCONT)
    return None


def _strike(victims: list[psutil.Process]) -> bool:
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    return bool(victims)


def _victims(command: int, folder: Path, way: Way) -> list[psutil.Process]:
    """The processes to kill; all were started by the command, and name the lab's folder."""
    if way == "command":
        return [psutil.Process(command)]
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        is_ours = any(f"{folder}/" in word or word == str(folder) for word in words)
        if is_ours and (way == "tree" or _NEEDLES[way] in " ".join(words)):
            found.append(process)
    return found


def _put_back(copy: Path, folder: Path) -> None:
    """Put a lab back as it was copied, with all times, once nothing works in it any more."""
    give_up = time.monotonic() + _COMMAND_SECONDS
    while _victims(0, folder, "tree") and time.monotonic() < give_up:
        time.sleep(0.05)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder, symlinks=True)
