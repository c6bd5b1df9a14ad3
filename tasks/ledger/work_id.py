"""Names of runs and of pieces of work.

The ledger keeps steps under them, and folders on the server end in them: whoever cleans up there
parses what others built. Names that version 0.1.0 gave are names of this form.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, cast

WorkKind = Literal["export", "import", "audit"]

_DIGITS = 16
_RUN = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z]+-[0-9a-f]{6}")
_WORK = re.compile(
    rf"(?:export-(?P<export>[1-9][0-9]*)|audit-(?P<audit>[1-9][0-9]*)"
    rf"|import-(?P<import>[1-9][0-9]*)-(?P<bundle>[0-9a-f]{{{_DIGITS}}}))"
    rf"(?:-(?P<plan>[0-9a-f]{{{_DIGITS}}}))?"
)


def new_run_id(command: str, *, now: datetime) -> str:
    """Make the id of a run, for example ``20260102T030405Z-export-0a1b2c``."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{command}-{uuid.uuid4().hex[:6]}"


def is_run_id(text: str) -> bool:
    """Tell whether a text is the id of a run."""
    return _RUN.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class WorkId:
    """One piece of work that may take several runs.

    Attributes:
        kind: What is done.
        sequence: Number of the bundle that it is about.
        bundle: First 16 digits of the bundle's header digest; an import has them, so that another
            bundle of the same number is other work.
        plan: First 16 digits of the digest of the approvals plan that a folder is for, or empty.
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
        """Read a name; None when it is none of ours."""
        match = _WORK.fullmatch(text)
        if match is None:
            return None
        kind = next(kind for kind in ("export", "import", "audit") if match[kind])
        return cls(
            cast("WorkKind", kind), int(match[kind]), match["bundle"] or "", match["plan"] or ""
        )

    def for_plan(self, digest: str) -> WorkId:
        """The part of this work that carries out one plan, by the plan's digest (hex)."""
        return replace(self, plan=digest[:_DIGITS])

    @property
    def whole(self) -> WorkId:
        """This work, whichever plan of it is meant."""
        return replace(self, plan="")
