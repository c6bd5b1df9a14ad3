"""Kill a command, or a process that it works with, at an instant of its undisturbed run."""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, get_args

import psutil

from deploy.lab import pair
from tests.e2e.forked_commands import Command
from tests.e2e.killing import CALLS, Call, Ended, Outcome, calls_of, observe
from tests.support.forked_powershell import use_forks
from tests.support.labs import Lab, make_lab

# ``tree`` is the command with all that it started, its own Prefect server included; ``work`` is the
# same for a command that uses a server of the site.
Way = Literal["server", "tree", "command", "work", "supervisor", "wsusutil", "script"]
WAYS: tuple[Way, ...] = get_args(Way)
LASTING: tuple[Way, ...] = ("server", "tree", "command", "work")
STAGES = ("export", "import", "accept", "second export", "second import", "audit", "verify")
_WITH_OWN_SERVER = ("server", "tree")
_NEEDLES = {
    "server": "deploy.prefect_server.embedded_child",
    "supervisor": "wsus-airgap-job",
    "wsusutil": "deploy.lab.wsusutil",
    "script": "deploy.lab.powershell",
}
_WAY_OF: dict[str, Way] = {"wsusutil": "wsusutil", "powershell": "script"}
_PROGRAMS: dict[str, tuple[Way, ...]] = {
    "export": ("supervisor", "wsusutil", "script"),
    "import": ("supervisor", "wsusutil", "script"),
    "audit": ("script",),
}
_RERUNS = 3
_DRAWS = 8
# How a program's launcher finds out what it was asked for.
_VERBS = {"wsusutil": 'echo "$1"', "powershell": 'echo "$*" | grep -o "[a-z-]*[.]ps1"'}
_NOTING = """#!/bin/sh
name="{name}"
echo "$name begins $(date +%s.%N)" >>"{log}"
{command}
code=$?
echo "$name $code $(date +%s.%N)" >>"{log}"
exit $code
"""
# A pause of downloads whose end nobody saw is undone before the next one.
_CURES = Counter({"powershell disconnected control-downloads.ps1": 1})
_COMMAND_SECONDS = 300.0


def command_of(stage: str) -> str:
    """The command of a stage."""
    return stage.rpartition(" ")[2]


@dataclass(frozen=True, slots=True)
class Instant:
    """So long after a step began, or after one of the lab's programs did, by its number."""

    step: str | None
    call: int | None
    delay_seconds: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One kill and the runs after it.

    Attributes:
        within: The step that was under way.
        seconds: How long after the step, or the program, had begun.
        reruns: How often the command was run again.
        again: The lab's programs that ended well more often than in the undisturbed run.
        differences: From the undisturbed run, in words.
    """

    stage: str
    way: Way
    within: str
    seconds: float
    reruns: int
    again: dict[str, int]
    differences: tuple[str, ...]


@dataclass(slots=True)
class Range:
    """A stage: a lab put back before each trial, and what the undisturbed command ends as.

    Attributes:
        steps: The steps of the undisturbed run and how long each took, in seconds.
        calls: The lab's programs that it began, in order, and how long each took.
        ended: How often each of them ended well.
        api_url: The Prefect server of a command that has none of its own.
    """

    stage: str
    made: Lab
    copy: Path
    words: tuple[str, ...]
    reference: Outcome
    steps: dict[str, float]
    calls: list[tuple[str, float]]
    ended: Counter[str]
    api_url: str | None

    @property
    def ways(self) -> tuple[Way, ...]:
        """What can be killed in the stage."""
        return (*LASTING, *_PROGRAMS.get(command_of(self.stage), ()))

    def trial(self, draw: random.Random, way: Way, step: str | None = None) -> Trial:
        """Kill at an instant drawn evenly, run again until it ends well, compare.

        Args:
            draw: Draws the instant: over the step, over the run from first to last step, or over
                the time in which such a program worked.
            way: What to kill.
            step: Where the kill has to be. One that comes too late is drawn again.

        Raises:
            LookupError: No draw met such a process, within the step.
        """
        for _ in range(_DRAWS):
            instant = self._draw(draw, way, step)
            self._put_back(way)
            before = _reports(self.made, self.words)
            running = Command.start(self.made, self.words)
            seconds = _kill(running, self.made.folder, way, instant)
            if way not in _NEEDLES:  # what it said last may be under way to us
                running.finish()
            within = running.step
            is_over = bool(_reports(self.made, self.words) - before)
            if seconds is not None and within and not is_over and step in {None, within}:
                return self._after(running, way, within, seconds)
            if not running.is_over:
                _strike(_victims(running, self.made.folder, "work"))
            running.finish()
        raise LookupError(f"no {way} was met within {step or 'any step'} of {self.stage}")

    def _draw(self, draw: random.Random, way: Way, step: str | None) -> Instant:
        if way in LASTING:
            lengths = self.steps if step is None else {step: self.steps[step]}
            (name,) = draw.choices([*lengths], weights=[*lengths.values()])
            return Instant(name, None, draw.random() * lengths[name])
        able = [
            (number, length)
            for number, (name, length) in enumerate(self.calls)
            if way in {"supervisor", _WAY_OF[name.partition(" ")[0]]}
        ]
        ((number, length),) = draw.choices(able, weights=[length for _, length in able])
        return Instant(None, number, draw.random() * length)

    def _after(self, running: Command, way: Way, within: str, seconds: float) -> Trial:
        """Run again until the command ends well, and compare with the undisturbed run."""
        ended = running.finish()
        reruns, differences = 0, list(_unforeseen(ended))
        while ended.exit_code not in {0, 2} and reruns < _RERUNS:
            before = len(calls_of(self.made.folder))
            ended = Command.start(self.made, self.words).finish()
            reruns += 1
            differences += _unforeseen(ended)
            begun = _counted(calls_of(self.made.folder)[before:], "begins")
            more = begun - Counter(name for name, _ in self.calls) - _CURES
            differences += [f"run more often: {name}" for name in more]
        outcome = observe(self.made.folder, ended, self.reference)
        if way == "supervisor":  # an exit code that nobody took down is no result that stands
            outcome = replace(outcome, done=outcome.done & self.reference.done)
        differences += self.reference.differences(outcome)
        if outcome.exit_code != self.reference.exit_code:
            differences.append(ended.stderr[-2_000:])
        calls = calls_of(self.made.folder)[len(calls_of(self.copy)) :]
        again = dict(_counted(calls, "0") - self.ended)
        return Trial(self.stage, way, within, seconds, reruns, again, tuple(differences))

    def _put_back(self, way: Way) -> None:
        put_back(self.copy, self.made.folder)
        for side in pair.SIDES if self.api_url else ():
            self.made.configure(side, "prefect", api_url=self.api_url)
            if way in _WITH_OWN_SERVER:
                site = self.made.site_file(side)
                text = site.read_text(encoding="utf-8")
                site.write_text(re.sub(r"(?m)^api_url = .*\n", "", text), encoding="utf-8")


def _counted(calls: list[Call], end: str) -> Counter[str]:
    return Counter(call.name for call in calls if call.end == end)


def _lengths(calls: list[Call]) -> list[tuple[str, float]]:
    """The programs that were begun, in order, and how long each took, in seconds."""
    return [
        (call.name, next(end.at for end in calls[number + 1 :] if end.name == call.name) - call.at)
        for number, call in enumerate(calls)
        if call.end == "begins"
    ]


def _reports(made: Lab, words: tuple[str, ...]) -> set[Path]:
    """The folders of reports of a command's side; a run makes its own after the last step."""
    return {*(made.folder / words[0] / "state" / "reports").glob("*/")}


def _unforeseen(ended: Ended) -> list[str]:
    kinds = [error["kind"] for error in (ended.document or {}).get("errors", ())]
    lines = ended.stderr.splitlines()
    found = [f"ended as {kind}" for kind in kinds if kind == "unexpected"]
    return found + [f"a traceback: {lines[-1]}"] * any("Traceback" in line for line in lines)


def prepare(
    home: Path, *, api_url: str | None, wanted: set[str], forked: Path | None = None
) -> list[Range]:
    """Go through all stages undisturbed in one lab, and keep a copy from before each one wanted.

    Args:
        home: Gets the lab and the copies.
        api_url: The Prefect server of commands that start none of their own.
        wanted: The stages.
        forked: The address of the process whose forks answer scripts.
    """
    folder = home / "lab"
    shutil.rmtree(folder, ignore_errors=True)
    made = make_lab(folder, api_url=api_url, is_forked=False, seed=7)
    for side in pair.SIDES:
        if forked is not None:
            _fork_powershell(folder / side, forked)
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
        if stage == "second import":  # of a mirror: a person confirms its plan
            refused = Command.start(made, words).finish()
            assert refused.document is not None, refused.stderr
            words = (*words, "--confirm", str(refused.document["plan_digest"]))
            put_back(copy, folder)
        ended, steps = _undisturbed(made, words)
        if stage == "import":
            receipt = str((ended.document or {})["receipt"])
        if stage in wanted:
            calls = calls_of(folder)[len(calls_of(copy)) :]
            well = _counted(calls, "0")
            outcome = observe(folder, ended)
            ranges.append(
                Range(stage, made, copy, words, outcome, steps, _lengths(calls), well, api_url)
            )
    return ranges


def _undisturbed(made: Lab, words: tuple[str, ...]) -> tuple[Ended, dict[str, float]]:
    """Run a command; gives its end, and how long each step took."""
    before = _reports(made, words)
    began = time.time()
    running = Command.start(made, words)
    begun = list(running.steps())
    ended = running.finish()
    assert ended.exit_code in {0, 2}, ended.stderr
    (report,) = _reports(made, words) - before
    over = min(path.stat().st_mtime for path in report.rglob("*")) - began
    return ended, {
        name: max(0.0, later - start)
        for (start, name), (later, _) in pairwise([*begun, (over, "end")])
    }


def _words(stage: str, bundle: Path, receipt: str) -> tuple[str, ...]:
    command = command_of(stage)
    if command in {"import", "verify"}:
        return ("disconnected", command, str(bundle))
    if command == "accept":
        return ("staging", command, receipt)
    if stage == "second export":
        return ("staging", command, "--mode", "mirror")
    return ("disconnected" if command == "audit" else "staging", command)


def _fork_powershell(side_folder: Path, address: Path) -> None:
    use_forks(side_folder, address)
    program = side_folder / "powershell"
    forked = program.rename(side_folder / "powershell-forked")
    program.write_text(f'#!/bin/sh\n exec "{forked}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)


def _log_calls(folder: Path, side: str) -> None:
    """Have a server's programs write down when they begin and how they end."""
    for program, verb in _VERBS.items():
        path = folder / side / program
        _, _, command = path.read_text(encoding="utf-8").strip().partition("\n")
        assert " exec " in command
        name = f"{program} {side} $({verb})"
        script = _NOTING.format(
            name=name, log=folder / CALLS, command=command.replace(" exec ", " ", 1)
        )
        path.write_text(script, encoding="utf-8")


def _kill(running: Command, folder: Path, way: Way, instant: Instant) -> float | None:
    """Wait for the instant, and kill; None when there is nothing to kill.

    Returns:
        How long after the beginning of the step, or program, the kill was, in seconds.
    """
    victims: list[psutil.Process] = []
    if instant.step is None:
        begun = _begin_of_program(running, folder, instant)
    else:
        begun = None
        for seconds, name in running.steps():
            if way in LASTING and not victims:  # sought early, since that takes longer than a step
                victims = _victims(running, folder, "server" if way == "server" else "command")
            if name == instant.step:
                begun = running.began + seconds
                break
    if begun is None:
        return None
    time.sleep(max(0.0, begun + instant.delay_seconds - time.monotonic()))
    if way in {"tree", "work"}:
        with suppress(psutil.NoSuchProcess):
            victims[0].send_signal(signal.SIGSTOP)
        victims = _victims(running, folder, way)
    if not _strike(victims or _victims(running, folder, way)):
        return None
    return time.monotonic() - begun


def _begin_of_program(running: Command, folder: Path, instant: Instant) -> float | None:
    """Wait until that one of the lab's programs begins; by the monotonic clock."""
    before = sum(call.end == "begins" for call in calls_of(folder))
    while not running.is_over:
        begun = [call for call in calls_of(folder) if call.end == "begins"][before:]
        if instant.call is not None and len(begun) > instant.call:
            return time.monotonic() - (time.time() - begun[instant.call].at)
        time.sleep(0.005)
    return None


def _strike(victims: list[psutil.Process]) -> bool:
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    return bool(victims)


def _victims(running: Command, folder: Path, way: Way) -> list[psutil.Process]:
    """The processes to kill: the command, and what it started, which names the lab's folder."""
    with suppress(psutil.NoSuchProcess):
        command = psutil.Process(running.pid)
        if way not in _NEEDLES:
            return [command, *(_working_in(folder) if way in {"tree", "work"} else ())]
    return _working_in(folder, _NEEDLES.get(way, ""))


def _working_in(folder: Path, needle: str = "") -> list[psutil.Process]:
    """The processes whose command line names a lab's folder, and the needle."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        is_ours = any(f"{folder}/" in word or word == str(folder) for word in words)
        if is_ours and needle in " ".join(words):
            found.append(process)
    return found


def put_back(copy: Path, folder: Path, *, beside: int | None = None) -> None:
    """Put a lab back as it was copied, with all times, once nothing works in it any more.

    A process that only serves it may be named.
    """
    give_up = time.monotonic() + _COMMAND_SECONDS
    while {one.pid for one in _working_in(folder)} - {beside} and time.monotonic() < give_up:
        time.sleep(0.05)
    shutil.rmtree(folder)
    shutil.copytree(copy, folder, symlinks=True)
