"""A staging side that makes real bundles, step by step, without a server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import Approval, Decline
from tasks.bundle.layout import PACKAGE
from tasks.bundle.pack import Packed
from tasks.content.scan import scan
from tasks.errors import HostFileError
from tasks.exporting import export_bundle
from tasks.exporting.draft import Draft, open_draft
from tasks.exporting.request import ExportRequest
from tasks.ledger.steps import ExportedPackage
from tasks.metadata.index import INDEX, index_package
from tasks.metadata.server import ServerFacts
from tasks.run.context import RunContext
from tasks.server.snapshot import ServerSnapshot
from tests.approvals.building import GROUPS, decisions
from tests.metadata.facts import server_facts
from tests.metadata.writing import File, Update, write_package
from tests.support.bundles import NOW, write_content


@dataclass
class StagingSide:
    """A run of the staging side, and what its server shows; tests change either.

    Attributes:
        run: The run; its server and its medium are folders of this machine.
        content_dir: WsusContent.
        facts: What the server says of itself.
        decided: What was decided there.
        updates: What its metadata packages hold.
        now: The time of the run's clock.
        request: What the last ``open`` asked for.
    """

    run: RunContext
    content_dir: Path
    facts: ServerFacts = field(default_factory=server_facts)
    decided: list[Approval | Decline] = field(default_factory=list)
    updates: list[Update] = field(default_factory=lambda: [Update(1)])
    now: datetime = NOW
    request: ExportRequest = field(default_factory=ExportRequest)

    def __post_init__(self) -> None:
        self.content_dir.mkdir()
        self.run.clock = lambda: self.now
        self.run.make_folders()

    def write_file(self, file: File) -> Path:
        """Put the content of a made-up file, which is its name, into WsusContent."""
        name = write_content(self.content_dir, file.name.encode(), file.name.rpartition(".")[2])
        return self.content_dir / name.folder / name.text

    def look(self) -> ServerSnapshot:
        """Look at the server, as the first steps of an export do."""
        run, folder = self.run, self.run.server.path(str(self.content_dir))
        listing = run.new_listing(folder)
        listing.fill(scan(run.server, folder, remembered=run.hash_cache.lookup))
        decided = ServerDecisions(decisions(*self.decided, groups=GROUPS), {})
        return ServerSnapshot(self.facts, decided, listing)

    def open(self, **options: Any) -> Draft:
        """Open a draft of what the server shows now, by the options of ``ExportRequest``."""
        self.request = ExportRequest(**options)
        return open_draft(self.run, self.look(), self.request)

    def pack(self, draft: Draft) -> Packed:
        """Do all but the seal."""
        view = self.look()
        path = write_package(draft.folder / PACKAGE, self.updates)
        summary = index_package(path, draft.folder / INDEX)
        package = ExportedPackage(
            path=path,
            blake3=summary.blake3,
            size_bytes=summary.package_bytes,
            revisions=summary.revisions,
            counts=(0, 0, 0),
        )
        export_bundle.write_approvals(draft, view.decisions)
        plan = export_bundle.plan_content(
            self.run, draft, view.content, package, request=self.request
        )
        return export_bundle.pack(
            self.run, draft, view.content, plan=plan, package=package, decisions=view.decisions
        )

    def seal(self, **options: Any) -> Draft:
        """Make a whole bundle."""
        draft = self.open(**options)
        export_bundle.seal(self.run, draft, self.pack(draft), self.facts)
        return draft

    def commit(self) -> Draft:
        """Make a bundle whose seal never comes: the medium does not take it."""
        draft = self.open()
        packed = self.pack(draft)
        in_the_way = self.header_of(draft)
        in_the_way.mkdir()
        with pytest.raises(HostFileError):
            export_bundle.seal(self.run, draft, packed, self.facts)
        in_the_way.rmdir()
        assert self.status_of(draft) == "committed"
        return draft

    def seal_unnoticed(self) -> Draft:
        """Make a whole bundle, killed between its seal and the ledger's note of it."""
        draft = self.seal()
        self.run.ledger.connection.execute("UPDATE export SET status='committed', sealed=NULL")
        return draft

    def header_of(self, draft: Draft) -> Path:
        """The file whose presence makes a folder on media a bundle."""
        return draft.bundle / "volume-001" / "header.json"

    def status_of(self, draft: Draft) -> str:
        record = self.run.exports.by_sequence(draft.sequence)
        assert record is not None
        return record.status

    def set_back(self) -> None:
        """Have the state folder forget every bundle, as one from an old backup does."""
        self.run.ledger.connection.execute("DELETE FROM export")
