"""The names of runs and of pieces of work.

The ledger stores steps under them, and names of folders on the server end in them. The clean-up of
the server parses the names of these folders, so all names are built and parsed here. Names of
version 0.1.0 have the same form.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

WorkKind = Literal["export", "import", "audit", "reset"]
_KINDS: tuple[WorkKind, ...] = ("export", "import", "audit", "reset")

_DIGITS = 16
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z]+(?:-[a-z]+)*-[0-9a-f]{6}")
_WORK = re.compile(
    rf"(?:export-(?P<export>[1-9][0-9]*)|audit-(?P<audit>[1-9][0-9]*)"
    rf"|reset-(?P<reset>[1-9][0-9]*)"
    rf"|import-(?P<import>[1-9][0-9]*)-(?P<bundle>[0-9a-f]{{{_DIGITS}}}))"
    rf"(?:-(?P<plan>[0-9a-f]{{{_DIGITS}}}))?"
)


def new_run_id(command: str, *, now: datetime) -> str:
    """Make the id of a run, for example ``20260102T030405Z-export-0a1b2c``."""
    return (
        f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{command.replace(' ', '-')}-{uuid.uuid4().hex[:6]}"
    )


def is_run_id(text: str) -> bool:
    """Return True if a text is the id of a run."""
    return _RUN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class WorkId:
    """A piece of work, which may take several runs.

    Attributes:
        kind: The kind of work.
        sequence: Number of the bundle; of a reset the second (POSIX time) at which it began.
        bundle: First 16 digits of the bundle's header digest for an import, else empty. They tell
            apart the imports of two bundles with the same number.
        plan: First 16 digits of the digest of an approvals plan, if this names the folder of one
            plan; else empty.
    """

    kind: WorkKind
    sequence: int
    bundle: str = ""
    plan: str = ""

    @property
    def text(self) -> str:
        """The name: ``export-7``, ``import-7-<bundle>``, ``audit-7-<plan>``."""
        return "-".join(filter(None, (self.kind, str(self.sequence), self.bundle, self.plan)))

    @classmethod
    def parse(cls, text: str) -> WorkId | None:
        """Parse a name; None if it is not the name of a piece of work."""
        match = _WORK.fullmatch(text)
        if match is None:
            return None
        kind = next(kind for kind in _KINDS if match[kind])
        return cls(kind, int(match[kind]), match["bundle"] or "", match["plan"] or "")

    def for_plan(self, digest: str) -> WorkId:
        """Name the part of this work that applies one plan, by the plan's digest (hex)."""
        return replace(self, plan=digest[:_DIGITS])

    @property
    def whole(self) -> WorkId:
        """The name of the work without a plan."""
        return replace(self, plan="")
