"""Finished steps of one piece of work, which a later run need not repeat.

Each result stands in the table ``step`` as JSON of the type that its accessor names. The caller
proves anew that what a step made is still there.
"""

from __future__ import annotations

import re
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter

from tasks.content.fields import Blake3Field
from tasks.content.names import Blake3
from tasks.ledger.damage import reading
from tasks.metadata.wsusutil import Verb

_StepName = Literal["export-attempt", "import-attempt", "package", "metadata", "confirmed"]
_ATTEMPT_STEP: dict[Verb, _StepName] = {"export": "export-attempt", "import": "import-attempt"}
_Result = TypeVar("_Result")


class Attempt(BaseModel):
    """One start of wsusutil for a piece of work; written before it starts.

    Attributes:
        verb: export or import.
        package, log, job: Paths on the server: package, wsusutil's log, job folder.
    """

    model_config = ConfigDict(frozen=True)

    verb: Verb
    package: str
    log: str
    job: str

    @property
    def job_name(self) -> str:
        """Name of its job folder."""
        return re.split(r"[\\/]", self.job)[-1]


class ExportedPackage(BaseModel):
    """A metadata package that was exported, judged, fetched and read to its end.

    Attributes:
        path: Its place in our state folder.
        revisions: Number of revisions in it.
        counts: The server's own counts of that moment (updates, declined, approved): while they
            stand, the package does too.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    blake3: Blake3Field
    size_bytes: int
    revisions: int
    counts: tuple[int, int, int]


class Confirmation(BaseModel):
    """The plan that a person confirmed.

    Attributes:
        digest: The plan's digest, hex.
        takes_away: What the plan deletes, removes or declines: canonical requests and file names.
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    takes_away: tuple[str, ...]


# Made once: an adapter compiles its type.
_ATTEMPT = TypeAdapter(Attempt)
_PACKAGE = TypeAdapter(ExportedPackage)
_CONFIRMATION = TypeAdapter(Confirmation)
_DIGEST: TypeAdapter[Blake3] = TypeAdapter(Blake3Field)


class Steps:
    """The steps of one piece of work, for example ``export-7``."""

    def __init__(self, connection: sqlite3.Connection, work: str) -> None:
        self._connection = connection
        self._work = work

    def attempt(self, verb: Verb) -> Attempt | None:
        """The start of wsusutil that nobody judged yet; None when there is none."""
        return self._read(_ATTEMPT_STEP[verb], _ATTEMPT)

    def begin_attempt(self, attempt: Attempt, *, now: datetime) -> None:
        """Remember durably that wsusutil is about to be started."""
        self._write(_ATTEMPT_STEP[attempt.verb], _ATTEMPT, attempt, now)

    def forget_attempt(self, verb: Verb) -> None:
        """Forget an attempt that was judged."""
        self._connection.execute(
            "DELETE FROM step WHERE work=? AND name=?", (self._work, _ATTEMPT_STEP[verb])
        )

    @property
    def package(self) -> ExportedPackage | None:
        """The package that was exported; None while it is not."""
        return self._read("package", _PACKAGE)

    def finish_package(self, package: ExportedPackage, *, now: datetime) -> None:
        """Remember that the package was exported, fetched and read."""
        self._write("package", _PACKAGE, package, now)

    @property
    def loaded_package(self) -> Blake3 | None:
        """The digest of the package whose metadata wsusutil imported; None while it did not."""
        return self._read("metadata", _DIGEST)

    def finish_loading(self, package: Blake3, *, now: datetime) -> None:
        """Remember that wsusutil imported the package with this digest."""
        self._write("metadata", _DIGEST, package, now)

    @property
    def confirmation(self) -> Confirmation | None:
        """The plan that a person confirmed last; None when there is none."""
        return self._read("confirmed", _CONFIRMATION)

    def confirm(self, confirmation: Confirmation, *, now: datetime) -> None:
        """Remember durably which plan a person confirmed."""
        self._write("confirmed", _CONFIRMATION, confirmation, now)

    def _read(self, name: _StepName, result: TypeAdapter[_Result]) -> _Result | None:
        with reading(self._connection):
            row = self._connection.execute(
                "SELECT result FROM step WHERE work=? AND name=?", (self._work, name)
            ).fetchone()
            return None if row is None else result.validate_json(row[0])

    def _write(
        self, name: _StepName, result: TypeAdapter[_Result], value: _Result, now: datetime
    ) -> None:
        row = (self._work, name, result.dump_json(value).decode(), now.isoformat())
        self._connection.execute("INSERT OR REPLACE INTO step VALUES (?,?,?,?)", row)


def read_attempts(connection: sqlite3.Connection, verb: Verb) -> tuple[Attempt, ...]:
    """Read the starts of wsusutil that nobody judged yet, in all pieces of work."""
    with reading(connection):
        rows = connection.execute(
            "SELECT result FROM step WHERE name=? ORDER BY 1", (_ATTEMPT_STEP[verb],)
        )
        return tuple(_ATTEMPT.validate_json(row[0]) for row in rows)
