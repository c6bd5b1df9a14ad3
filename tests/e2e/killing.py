"""Kill a command at an instant, run it again, and compare with a run that nobody disturbed.

Everything happens in one lab at one place, which is put back from a copy before each trial, so
that keys, server ids and paths are the same in all of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from deploy import lab
from deploy.lab import pair

ROOT = Path(__file__).resolve().parents[2]
SIDE_OF = {"export": "staging", "import": "disconnected"}
_SETTLE_SECONDS = 30.0
_COMMAND_SECONDS = 180.0

# What differs between any two runs: the time in a run's or an attempt's name, and random digits.
_RUN = re.compile(r"\d{8}T\d{6}Z")
_DIGITS = re.compile(r"[0-9a-f]{16,}|(?<=-)[0-9a-f]{6}(?=[-./]|$)")
# How often a run asked its server is its own affair; that its folder is there counts.
_IN_RUN_FOLDER = re.compile(r"(.*/runs/alpha-\d{8}T\d{6}Z-[^/]+)/.*")
# A killed run may have written its report before.
_MAY_DIFFER = re.compile(r"state/(reports|prefect)(/|$)")

Way = Literal["process", "group"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code and the document it printed, None when it was killed."""

    exit_code: int
    document: dict[str, Any] | None
    seconds: float
    stderr: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that two runs are compared by."""

    exit_code: int
    said: dict[str, Any]
    servers: dict[str, Any]
    content: dict[str, dict[str, str]]
    left: Counter[str] = field(default_factory=Counter)
    faults: tuple[str, ...] = ()

    def differences(self, other: Outcome) -> list[str]:
        """Where another run differs from this one, in words; empty when it does not."""
        found = []
        for name in ("exit_code", "said", "content", "faults"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{name}: {_shorten(mine, theirs)}")
        for side, state in self.servers.items():
            found += [
                f"{side} {key}: {_shorten(state[key], other.servers[side][key])}"
                for key in state
                if state[key] != other.servers[side][key]
            ]
        found += [f"left behind: {name}" for name in sorted(other.left - self.left)]
        found += [f"not there: {name}" for name in sorted(self.left - other.left)]
        return found


def name_api(folder: Path, api_url: str) -> None:
    """Have both sides of a lab use a Prefect server that runs already."""
    for side in pair.SIDES:
        path = folder / side / "site.toml"
        text = path.read_text(encoding="utf-8")
        path.write_text(f'{text}\n[prefect]\napi_url = "{api_url}"\n', encoding="utf-8")


def words_of(command: str, folder: Path) -> list[str]:
    """The command line of a crossing's command in a lab."""
    site = folder / SIDE_OF[command] / "site.toml"
    bundle = [str(folder / "media" / "alpha-1")] if command == "import" else []
    return [
        sys.executable, "-m", "flows.command_line", command, *bundle, "--site", str(site), "--json",
    ]  # fmt: skip


def start(command: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command as a real process with a group of its own."""
    return subprocess.Popen(
        words_of(command, folder),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str], *, since: float) -> Ended:
    """Wait for a command's end."""
    out, err = process.communicate(timeout=_COMMAND_SECONDS)
    document = json.loads(out) if out.strip() else None
    return Ended(process.returncode, document, time.monotonic() - since, err)


def run(command: str, folder: Path) -> Ended:
    """Run a command to its end."""
    began = time.monotonic()
    return finish(start(command, folder), since=began)


def kill_at(command: str, folder: Path, seconds: float, way: Way) -> Ended:
    """Start a command and kill it after a while; it may have ended before."""
    began = time.monotonic()
    process = start(command, folder)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        if way == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    return finish(process, since=began)


def put_back(copy: Path, folder: Path) -> None:
    """Put a lab back as it was copied, with all times."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():  # a program of the killed run was still writing there
        time.sleep(1)
        shutil.rmtree(folder)
    shutil.copytree(copy, folder, symlinks=True)


def settled(folder: Path, wanted: Sequence[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Both servers' state once the content agent has nothing to do (or looks as it should)."""
    give_up = time.monotonic() + _SETTLE_SECONDS
    before = None
    while True:
        state = {side: lab.state(folder, side) for side in pair.SIDES}
        if time.monotonic() > give_up or (wanted and [*state.values()] == [*wanted]):
            return state
        if wanted is None and before == state:
            return state
        before = state
        time.sleep(2.5 if wanted is None else 0.5)


def observe(command: str, folder: Path, ended: Ended, like: Outcome | None = None) -> Outcome:
    """All that counts after a command, by the lab's own state and by what lies there."""
    document = ended.document or {}
    # First: the content agent leaves its lock the first time it runs, which may be after us.
    servers = settled(folder, [*like.servers.values()] if like else None)
    left = Counter(_names(folder))
    return Outcome(
        exit_code=ended.exit_code,
        said=_said(command, document),
        servers=servers,
        content={side: _content(folder / side / "WsusContent") for side in pair.SIDES},
        left=left,
        faults=_bundle_faults(folder / SIDE_OF[command] / "site.toml", folder / "media"),
    )


def _said(command: str, document: dict[str, Any]) -> dict[str, Any]:
    approvals = document.get("approvals") or {}
    names = ("outcome", "bundle", "sequence", "base", "files", "bytes", "missing", "errors")
    said = {name: document.get(name) for name in names}
    if command == "import":
        # What was applied, and how much was placed, is each run's own part of the work.
        said |= {name: approvals.get(name) for name in ("parked", "held", "failed")}
        said |= {name: bool(document.get(name)) for name in ("receipt", "receipt_code")}
    return said


def _names(folder: Path) -> Iterator[str]:
    seen: set[str] = set()
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        name = _IN_RUN_FOLDER.sub(r"\1", name)
        if name in seen or (path.is_dir() and any(path.iterdir())):
            continue
        seen.add(name)
        if "/WsusContent/" not in f"/{name}/" and not _MAY_DIFFER.search(name):
            yield _DIGITS.sub("#", _RUN.sub("TIME", name))


def _content(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha1(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _bundle_faults(site: Path, media: Path) -> tuple[str, ...]:
    """What verifying every bundle on the media finds, through the product's own eyes."""
    from tasks.errors import AirGapError
    from tasks.importing.incoming import open_incoming, prove
    from tasks.run.context import open_run_context
    from tasks.site.reading import lay_out_site

    # The staging side's key is the one that a bundle bears: the other side trusts it.
    name = lay_out_site(site.parent.parent / "disconnected" / "site.toml").name
    found = []
    for bundle in sorted(media.glob("alpha-*")):
        with open_run_context(name, command="verify", side=None, clock=_now) as place:
            try:
                prove(place, open_incoming(place, [str(bundle)], to_import=False))
            except AirGapError as error:
                found.append(f"{bundle.name}: {error.message}")
    return tuple(found)


def _now() -> datetime:
    return datetime.now(UTC)


def _shorten(mine: object, theirs: object) -> str:
    return f"{str(mine)[:1500]} became {str(theirs)[:1500]}"


@dataclass(frozen=True, slots=True)
class Trial:
    """One kill and the run after it."""

    seconds: float
    way: Way
    was_killed: bool
    rerun_seconds: float
    differences: tuple[str, ...]


@dataclass(slots=True)
class Range:
    """A lab, its copy, and what the undisturbed command ends as."""

    command: str
    folder: Path
    copy: Path
    reference: Outcome
    seconds: float

    @classmethod
    def prepare(cls, command: str, home: Path, api_url: str, *, updates: int = 30) -> Range:
        """Make a lab in which the command can run, and run it once undisturbed."""
        folder, copy = home / f"{command}-lab", home / f"{command}-copy"
        lab.create(folder, updates=updates, content_bytes=6_000_000, seed=7)
        name_api(folder, api_url)
        if command == "import":
            exported = run("export", folder)
            assert exported.exit_code in {0, 2}, exported.stderr
        shutil.copytree(folder, copy, symlinks=True)
        ended = run(command, folder)
        assert ended.exit_code in {0, 2}, ended.stderr
        return cls(command, folder, copy, observe(command, folder, ended), ended.seconds)

    def trial(self, seconds: float, way: Way) -> Trial:
        """Kill at an instant, run again, compare."""
        put_back(self.copy, self.folder)
        killed = kill_at(self.command, self.folder, seconds, way)
        ended = run(self.command, self.folder)
        outcome = observe(self.command, self.folder, ended, self.reference)
        differences = self.reference.differences(outcome)
        if outcome.exit_code != self.reference.exit_code:
            differences.append(ended.stderr[-2_000:])
        return Trial(seconds, way, killed.exit_code < 0, ended.seconds, tuple(differences))
