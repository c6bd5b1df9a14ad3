"""A month on the staging server: Microsoft publishes updates, and administrators decide.

Everything follows from the seed and the month's number. A month changes approved updates in the
order of their numbers, and skips those that an earlier month changed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.lab.generate.catalogue import Catalogue
from deploy.lab.generate.draft import MONTH_NUMBERS
from deploy.lab.generate.layout import write_synchronizations
from deploy.lab.pair import server_folder
from deploy.lab.rules import content_agent, ingest
from deploy.lab.rules.opened_server import open_server
from deploy.lab.rules.server import Server, as_text
from deploy.lab.store import content_paths, database, decisions, groups, revision_store
from deploy.lab.store.records import Revision

# Enough new updates for every kind of change.
_FEWEST = 12
_FIRST_MONTH = datetime(2025, 1, 14, 17, tzinfo=UTC)


def advance(folder: Path) -> None:
    """Let a month pass; see ``deploy.lab.advance``."""
    server = open_server(server_folder(folder, "staging"))
    try:
        _Month(server, int(server.setting("month")) + 1).pass_by()
    finally:
        server.close()


class _Month:
    """One month of one server."""

    def __init__(self, server: Server, number: int) -> None:
        self._server = server
        self._number = number
        self._catalogue = Catalogue(server.setting("seed"), server.setting("mean_bytes"))
        self._first = number * MONTH_NUMBERS
        moment = _FIRST_MONTH + timedelta(days=28 * number)
        self._created = as_text(moment)
        self._arrived = as_text(moment + timedelta(hours=9))

    def pass_by(self) -> None:
        """Make the changes of the month, and let the content agent finish."""
        server = self._server
        with database.transaction(server.connection):
            revised, expired, declined, superseded = self._choose()
            if revised is not None:
                self._revise(revised)
            if expired is not None:
                self._expire(expired)
            if declined is not None:
                ingest.decline(server, declined)
            self._publish(superseded)
            write_synchronizations(server.connection, server.server_folder, 1)
            server.set_setting("month", self._number)
            # The files of updates that were approved a month ago have long been downloaded.
            server.connection.execute("UPDATE agent_job SET due = 0")
        content_agent.catch_up(server)
        if declined is not None:
            self._clean_up(declined)

    def _choose(self) -> list[str | None]:
        """The updates to revise, expire, decline and supersede; None where too few remain."""
        touched = [] if self._number == 1 else list(self._server.setting("touched"))
        candidates = [guid for guid in self._candidates() if guid not in touched]
        # A revision changes a file of the update itself, and a bundle has none.
        revised = next((guid for guid in candidates if self._newest(guid).files), None)
        others = [guid for guid in candidates if guid != revised]
        chosen = [revised, *others[:3]]
        self._server.set_setting("touched", touched + [guid for guid in chosen if guid])
        return [*chosen, *[None] * (4 - len(chosen))]

    def _candidates(self) -> list[str]:
        """Approved updates with all content and without licence terms, in the order of numbers."""
        rows = self._server.connection.execute(
            "SELECT update_id, details FROM revision JOIN update_state"
            " USING (update_id, revision) WHERE is_latest AND license_id IS NULL"
            " AND publication = 'Published' AND state = 'Ready'"
        ).fetchall()
        numbered = sorted((json.loads(row["details"])["number"], row["update_id"]) for row in rows)
        return [guid for _, guid in numbered if self._has_files(guid)]

    def _has_files(self, update_id: str) -> bool:
        return bool(content_agent.needed_files(self._server, *self._newest(update_id).key))

    def _newest(self, update_id: str) -> Revision:
        row = self._server.connection.execute(
            "SELECT revision FROM revision WHERE update_id = ? AND is_latest", (update_id,)
        ).fetchone()
        return revision_store.get(self._server.connection, update_id, row["revision"])

    def _revise(self, update_id: str) -> None:
        """Publish a new revision of an approved update, to which WSUS moves the approvals."""
        newest = self._newest(update_id)
        revised = self._catalogue.later_revision(newest, self._created, self._arrived)
        ingest.insert(self._server, revised)

    def _expire(self, update_id: str) -> None:
        """Publish an expired revision, by which Microsoft withdraws an update; WSUS declines it."""
        newest = self._newest(update_id)
        ingest.insert(
            self._server,
            self._catalogue.expired_revision(newest, self._created, self._arrived),
        )

    def _publish(self, superseded: str | None) -> None:
        """Publish new updates and approve a third.

        The first supersedes ``superseded``, and one of the approved lacks a file.
        """
        server = self._server
        group_ids = groups.read(server.connection)
        custom = [
            path for path, group_id in group_ids.items() if group_id not in database.BUILT_IN_GROUPS
        ]
        tree = groups.plant(server.setting("seed")).remaining(custom)
        count = max(_FEWEST, int(server.setting("updates")) // 8)
        is_withheld = False
        for number in range(self._first, self._first + count):
            entry = self._catalogue.entry(number)
            *before, newest = entry.revisions
            if number == self._first and superseded is not None:
                newest = replace(newest, supersedes=(superseded,))
            _arrive(server, (*before, newest))
            if entry.role != "approved":
                continue
            if not is_withheld and number > self._first + 2 and newest.license_id is None:
                is_withheld = self._withhold(newest)
            decisions.write_approvals(server.connection, entry, tree, group_ids)
            content_agent.require(server, *newest.key)

    def _withhold(self, revision: Revision) -> bool:
        """Take one file of an update from Microsoft's servers, so that no download succeeds."""
        files = content_agent.needed_files(self._server, *revision.key)
        if files:
            self._server.connection.execute("DELETE FROM source WHERE sha1 = ?", (min(files),))
        return bool(files)

    def _clean_up(self, update_id: str) -> None:
        """Remove the content that only a declined update needed, as the clean-up wizard does."""
        server = self._server
        for sha1 in content_agent.needed_files(server, *self._newest(update_id).key):
            row = server.connection.execute(
                "SELECT name, state FROM file LEFT JOIN content_state USING (sha1) WHERE sha1 = ?",
                (sha1,),
            ).fetchone()
            if row["state"] is None:
                path = content_paths.content_path(server.content_dir, sha1, row["name"])
                path.unlink(missing_ok=True)


def _arrive(server: Server, revisions: Sequence[Revision]) -> None:
    """Insert a new update, and apply the enabled approval rules to it."""
    for revision in revisions:
        ingest.insert(server, revision)
    ingest.apply_rules(server, [revision.key for revision in revisions])


def add_update(server: Server) -> None:
    """Let a synchronisation bring one more update."""
    count = server.connection.execute("SELECT count(*) FROM synchronization").fetchone()[0]
    catalogue = Catalogue(server.setting("seed"), server.setting("mean_bytes"))
    entry = catalogue.entry(900 * MONTH_NUMBERS + 3 * int(count) + 2)
    with database.transaction(server.connection):
        _arrive(server, entry.revisions)
        server.connection.execute(
            "INSERT INTO synchronization VALUES (?, ?, ?, 'Succeeded', 'NotApplicable', '', 0)",
            (str(uuid.uuid4()), *2 * (as_text(datetime.now(UTC)),)),
        )
