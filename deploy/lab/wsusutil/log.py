"""The logs of ``wsusutil``: XML, collected during a run and written at its end."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.lab.store import content_paths
from deploy.lab.store.records import Revision
from deploy.lab.wsusutil.update_xml import attribute


class _Log:
    """A log in the making, stored in a temporary file."""

    root = ""
    error_element = ""

    def __init__(self, started: str) -> None:
        # ``save`` closes it at the end of the run.
        self._spool = tempfile.TemporaryFile("w+", encoding="utf-8", newline="\n")  # noqa: SIM115
        self._spool.write('<?xml version="1.0" encoding="utf-8"?>\n')
        self._spool.write(f'<{self.root} Time="{started}">\n')

    def note_error(self, message: str) -> None:
        """Add an element with an error's message."""
        self._add(f'<{self.error_element} Message="{attribute(message)}" />')

    def save(self, path: Path) -> None:
        """End the document and write it; raises ``OSError`` if it exists or cannot be written."""
        self._add(f"</{self.root}>")
        self._spool.seek(0)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            shutil.copyfileobj(self._spool, file)
        self._spool.close()

    def _add(self, line: str) -> None:
        self._spool.write(line + "\n")


class ExportLog(_Log):
    """The log of an export: each update, with the paths of its files on the exporting machine."""

    root = "ExportLog"
    error_element = "ExportError"

    def follow(self, revisions: Iterable[Revision], content_dir: Path) -> Iterator[Revision]:
        """Pass on revisions, logging each."""
        for revision in revisions:
            title = attribute(revision.title or "** Title not available **")
            files = "".join(
                f'<File Path="{attribute(str(path))}" />'
                for path in (
                    content_paths.content_path(content_dir, file.sha1, file.name)
                    for file in revision.files
                )
            )
            self._add(
                f'<Update UpdateId="{revision.update_id}" RevisionNumber="{revision.revision}"'
                f' Title="{title}"><Files>{files}</Files></Update>'
            )
            yield revision


class ImportLog(_Log):
    """The log of an import: each update, inserted now or existing before."""

    root = "ImportLog"
    error_element = "ImportError"

    def inserted(self, revision: Revision, *, existing: bool) -> None:
        """Add an update."""
        self._add(
            f'<UpdateInserted UpdateId="{revision.update_id}"'
            f' RevisionNumber="{revision.revision}" ExistingUpdate="{existing}" />'
        )


def saved(entries: ExportLog | ImportLog, log: Path) -> bool:
    """Write a log; on a failure give False and print the reason on standard error."""
    try:
        entries.save(log)
    except OSError as error:
        print(error, file=sys.stderr)
        return False
    return True
