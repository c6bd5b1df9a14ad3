"""The content files that updates of this side lack, each with the time since when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import AwareDatetime, TypeAdapter

from tasks.ledger.store import Ledger
from tasks.metadata.audit import MissingFile


@dataclass(frozen=True, slots=True)
class RememberedFile:
    """A file that a revision lacked when the content was last compared with the metadata.

    Attributes:
        title, kb: Of the update; foreign text, and empty in what an older version wrote.
        file: ``<SHA-1>.<extension>``; empty if the metadata do not have the revision.
        reason: A ``MissingReason``.
        since: The first look of an unbroken line in which it was missing.
    """

    update_id: str
    revision: int
    title: str
    kb: str
    file: str
    size_bytes: int | None
    reason: str
    reason_text: str
    since: AwareDatetime


_FILE = TypeAdapter(RememberedFile)
_COLUMNS = "update_id, revision, title, kb, file, size_bytes, reason, reason_text, since"
_REMEMBER = f"""INSERT OR REPLACE INTO missing_file ({_COLUMNS}) VALUES (
    :update_id, :revision, :title, :kb, :file, :size_bytes, :reason, :reason_text, coalesce((
        SELECT since FROM lacked WHERE update_id = :update_id AND revision = :revision
        AND file = :file), :now))"""  # noqa: S608  our columns


class MissingContent:
    """The files that approved and parked updates of one side lack."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._connection = ledger.connection

    def remember(self, files: Iterable[MissingFile], *, now: datetime) -> None:
        """Replace the files, in one transaction, by those that a run has found missing.

        A file that was missing before for the same revision keeps the time since when it is.
        """
        time = now.astimezone(UTC).isoformat()
        with self._ledger.transaction():
            self._connection.execute(
                "CREATE TEMP TABLE lacked AS SELECT update_id, revision, file, since"
                " FROM missing_file"
            )
            self._connection.execute(
                "CREATE INDEX temp.lacked_by_key ON lacked (update_id, revision, file)"
            )
            self._connection.execute("DELETE FROM missing_file")
            self._connection.executemany(
                _REMEMBER,
                (
                    {**line.model_dump(mode="json"), "file": line.file or "", "now": time}
                    for line in files
                ),
            )
            self._connection.execute("DROP TABLE lacked")

    def of_revision(self, update_id: str, revision: int) -> list[RememberedFile]:
        """List the files that a revision lacks, by name."""
        return self._select("WHERE update_id=? AND revision=? ORDER BY file", (update_id, revision))

    def all(self) -> list[RememberedFile]:
        """List all files, the longest missing first."""
        return self._select("ORDER BY since, update_id, revision, file", ())

    def _select(self, clause: str, values: tuple[object, ...]) -> list[RememberedFile]:
        with self._ledger.reading():
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM missing_file {clause}",  # noqa: S608  our columns
                values,
            )
            return [_FILE.validate_python(dict(row)) for row in rows]
