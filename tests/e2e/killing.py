"""What is left after a command that was killed and run again, compared with an undisturbed run.

Everything happens in one lab at one place, which is put back from a copy before each trial, so
that keys, server ids and paths are the same in all of them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from deploy import lab
from deploy.lab import pair

CALLS = "calls.log"
_SETTLE_SECONDS = 30.0
_CHANGING = ("wsusutil", "apply-approvals.ps1")

# What differs between any two runs: the time in a run's or an attempt's name, and random digits.
_RUN = re.compile(r"\d{8}T\d{6}Z")
_DIGITS = re.compile(r"[0-9a-f]{16,}|(?<=-)[0-9a-f]{6}(?=[-./]|$)")
# How often a run asked its server is its own affair; that its folder is there counts.
_IN_RUN_FOLDER = re.compile(r"(.*/runs/alpha-\d{8}T\d{6}Z-[^/]+)/.*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
# A killed run may have written its report before. An export that is answered with a sealed bundle,
# as one that was killed after the seal is, remembers how the medium looked. A content list is
# shared only if no folder changed within two seconds before.
_MAY_DIFFER = re.compile(r"state/(reports|prefect)(/|$)|/media-states\.json$|/work/scans(/|$)")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code and the document it printed, None when it was killed."""

    exit_code: int
    document: dict[str, Any] | None
    seconds: float
    stderr: str = ""


class Call(NamedTuple):
    """A line in the log of the lab's programs: ``end`` is ``begins`` or the exit code."""

    name: str
    end: str
    at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that two runs are compared by.

    Attributes:
        sealed: Headers, manifests, approvals and receipts, apart from ids, digests of them, times.
        done: How often each verb of wsusutil, and what applies decisions, ended well, by the lab's
            own log. All else that is run on a server only asks, or may be said twice.
    """

    exit_code: int
    said: dict[str, Any]
    servers: dict[str, Any]
    content: dict[str, dict[str, str]]
    left: Counter[str] = field(default_factory=Counter)
    faults: tuple[str, ...] = ()
    sealed: dict[str, Any] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)

    def differences(self, other: Outcome) -> list[str]:
        """Where another run differs from this one, in words; empty when it does not."""
        found = []
        for name in ("exit_code", "said", "content", "faults"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                found.append(f"{name}: {_shorten(mine, theirs)}")
        # Fewer is right: a script that was killed at its end may have done all of its work.
        found += [f"done too often: {name}" for name in sorted(other.done - self.done)]
        for side, state in self.servers.items():
            found += [
                f"{side} {key}: {_shorten(state[key], other.servers[side][key])}"
                for key in state
                if state[key] != other.servers[side][key]
            ]
        found += [
            f"sealed {name}: {_shorten(self.sealed.get(name), other.sealed.get(name))}"
            for name in sorted({*self.sealed, *other.sealed})
            if self.sealed.get(name) != other.sealed.get(name)
        ]
        found += [f"left behind: {name}" for name in sorted(other.left - self.left)]
        found += [f"not there: {name}" for name in sorted(self.left - other.left)]
        return found


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


def observe(folder: Path, ended: Ended, like: Outcome | None = None) -> Outcome:
    """All that counts after a command, by the lab's own state and by what lies there."""
    # First: the content agent leaves its lock the first time it runs, which may be after us.
    servers = settled(folder, [*like.servers.values()] if like else None)
    return Outcome(
        exit_code=ended.exit_code,
        said=_said(ended.document or {}),
        servers=servers,
        content={side: _content(folder / side / "WsusContent") for side in pair.SIDES},
        left=Counter(_names(folder)),
        faults=_bundle_faults(folder / "disconnected" / "site.toml", folder / "media"),
        sealed=_sealed(folder),
        done=Counter(
            name
            for name, end, _ in calls_of(folder)
            if end == "0" and any(program in name for program in _CHANGING)
        ),
    )


def calls_of(folder: Path) -> list[Call]:
    """What the lab's programs wrote of their own runs."""
    path = folder / CALLS
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [Call(name, end, float(at)) for name, end, at in (line.rsplit(" ", 2) for line in lines)]


def _sealed(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in sorted([*(folder / "media").rglob("*"), *(folder / "return").rglob("*")]):
        name = path.relative_to(folder).as_posix()
        if path.name in {"manifest.jsonl", "approvals.jsonl"}:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.name == "header.json" or path.name.endswith(".receipt.json"):
            payload = base64.b64decode(json.loads(path.read_bytes())["payload"]).decode()
            document = json.loads(_DIGITS.sub("#", _TIME.sub("TIME", payload)))
            document.pop("package", None)  # wsusutil writes the time into it
            found[_DIGITS.sub("#", name)] = document
    return found


def _said(document: dict[str, Any]) -> dict[str, Any]:
    approvals = document.get("approvals") or {}
    names = ("outcome", "bundle", "sequence", "base", "files", "bytes", "missing", "errors")
    said = {name: document.get(name) for name in names}
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
        if name != CALLS and "/WsusContent/" not in f"/{name}/" and not _MAY_DIFFER.search(name):
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
    from tasks.site.reading import register_site

    name = register_site(site).name
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
