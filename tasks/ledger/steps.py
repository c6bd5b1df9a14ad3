"""The finished steps of one piece of work, which a later run need not repeat.

The table ``step`` has each result as JSON; the accessor of the step names its type. The caller must
check that the files of a finished step still exist.
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

_StepName = Literal[
    "export-attempt", "import-attempt", "reset-attempt", "package", "metadata", "confirmed"
]
_ATTEMPT_STEP: dict[Verb, _StepName] = {
    "export": "export-attempt",
    "import": "import-attempt",
    "reset": "reset-attempt",
}
_Result = TypeVar("_Result")


class Attempt(BaseModel):
    """A start of wsusutil for a piece of work, recorded before wsusutil starts.

    Attributes:
        verb: ``export``, ``import`` or ``reset``.
        package, log, job: Paths on the server of the package, of wsusutil's log, and of the job
            folder. A reset has no package, and its log is SoftwareDistribution.log.
        log_bytes: Size of that log before a reset began; 0 for the others.
    """

    model_config = ConfigDict(frozen=True)

    verb: Verb
    package: str
    log: str
    job: str
    log_bytes: int = 0

    @property
    def job_name(self) -> str:
        """Name of the job folder."""
        return re.split(r"[\\/]", self.job)[-1]


class ExportedPackage(BaseModel):
    """A metadata package that was exported, judged, fetched and read to its end.

    Attributes:
        path: Path in our state folder.
        revisions: Number of revisions in it.
        counts: The server's counts of updates, declined updates and approved updates before the
            export. The package is up to date as long as the server has the same counts.
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
        takes_away: The plan's requests (canonical JSON) and file names that delete, remove or
            decline something; with a rebuilt server also the choice about it (canonical JSON).
    """

    model_config = ConfigDict(frozen=True)

    digest: str
    takes_away: tuple[str, ...]


# Module constants, because making an adapter compiles its type.
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
        """Read the start of wsusutil that is not judged yet; None if there is none."""
        return self._read(_ATTEMPT_STEP[verb], _ATTEMPT)

    def begin_attempt(self, attempt: Attempt, *, now: datetime) -> None:
        """Record durably that wsusutil is about to be started."""
        self._write(_ATTEMPT_STEP[attempt.verb], _ATTEMPT, attempt, now)

    def forget_attempt(self, verb: Verb) -> None:
        """Delete the record of an attempt that was judged."""
        self._connection.execute(
            "DELETE FROM step WHERE work=? AND name=?", (self._work, _ATTEMPT_STEP[verb])
        )

    @property
    def package(self) -> ExportedPackage | None:
        """The exported package; None before the export."""
        return self._read("package", _PACKAGE)

    def finish_package(self, package: ExportedPackage, *, now: datetime) -> None:
        """Record that the package was exported, fetched and read."""
        self._write("package", _PACKAGE, package, now)

    @property
    def loaded_package(self) -> Blake3 | None:
        """The digest of the package that wsusutil imported; None before."""
        return self._read("metadata", _DIGEST)

    def finish_loading(self, package: Blake3, *, now: datetime) -> None:
        """Record that wsusutil imported the package with this digest."""
        self._write("metadata", _DIGEST, package, now)

    @property
    def confirmation(self) -> Confirmation | None:
        """The plan that a person confirmed last; None if none was confirmed."""
        return self._read("confirmed", _CONFIRMATION)

    def confirm(self, confirmation: Confirmation, *, now: datetime) -> None:
        """Record durably the plan that a person confirmed."""
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
    """Read the starts of wsusutil that are not judged yet, of all pieces of work."""
    with reading(connection):
        rows = connection.execute(
            "SELECT result FROM step WHERE name=? ORDER BY 1", (_ATTEMPT_STEP[verb],)
        )
        return tuple(_ATTEMPT.validate_json(row[0]) for row in rows)
