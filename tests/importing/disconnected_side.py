"""A disconnected side that takes in real bundles, step by step, on a server in memory."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.approvals.losses import RebuiltChoice
from tasks.approvals.model import ALL_COMPUTERS, Approval, ApprovalSet, Decline
from tasks.bundle.checksum_files import Documents
from tasks.bundle.header import Header
from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName
from tasks.content.scan import scan
from tasks.errors import ConnectionLostError
from tasks.hosts.host import Json
from tasks.hosts.paths import HostPath
from tasks.importing.approval_choice import apply_choice
from tasks.importing.content_audit import audit_import
from tasks.importing.import_apply import begin, place_content
from tasks.importing.import_plan import (
    describe_plan,
    plan_approvals,
    plan_import,
    require_confirmed,
)
from tasks.importing.incoming import open_incoming
from tasks.importing.receipt_out import finish_import
from tasks.importing.trusted_bundle import TrustedBundle, unpack
from tasks.metadata.server import ServerFacts
from tasks.names import Mode
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.server.content_scan import list_and_prove
from tests.approvals.building import ModelServer, decisions
from tests.metadata import writing
from tests.metadata.facts import server_facts
from tests.support.bundles import FACTS, Workshop, write_content
from tests.support.runs import on_memory_server

CONTENT_DIR = "/srv/WsusContent"


@dataclass
class PackageWorkshop(Workshop):
    """Makes bundles whose metadata package and decisions a test chooses."""

    updates: list[writing.Update] = field(default_factory=list)

    def documents(self, sequence: int = 1) -> Documents:
        """Write the package in place of one that nobody could index."""
        documents = super().documents(sequence)
        writing.write_package(documents.package, self.updates)
        return documents


class DisconnectedSide:
    """A run whose server is in memory and knows what a test says that it knows.

    Attributes:
        run: The run.
        workshop: Makes the bundles that the side trusts.
        present: What is decided on the server.
        known: The revisions that it has; a revision counts as the newest of its update.
        licensed: The revisions whose licence terms it wants accepted first.
        accepted: The revisions whose licence terms were accepted on it.
        asked: Each revision that it was asked for, in order.
        updates: Lines about the state of its approved updates.
        facts: What it says of itself.
        cuts_connection: The connection breaks before an answer about applied approvals is read.
    """

    def __init__(self, run: RunContext, workshop: PackageWorkshop) -> None:
        self.workshop = workshop
        self.present: ApprovalSet = decisions()
        self.known: set[RevisionId] = set()
        self.licensed: set[RevisionId] = set()
        self.accepted: set[RevisionId] = set()
        self.asked: list[RevisionId] = []
        self.updates: list[Json] = []
        self.cuts_connection = False
        self.facts: ServerFacts = server_facts(content_dir=CONTENT_DIR, content_volume=None)
        answers = {
            "read-approvals": lambda _: [*self.present.lines(), *self.updates],
            "apply-approvals": self._answer_operations,
            "read-updates": self._answer_updates,
            "control-service": lambda _: [{"status": "Running", "wsusutil": []}],
        }
        self.run = on_memory_server(run, answers)
        for folder in ("/srv", CONTENT_DIR, self.run.folders.work_dir.text):
            self.run.server.make_folder(self.run.server.path(folder))
        shutil.copy(workshop.root / "keys" / "signing.pub", run.site.trust.trusted_keys[0])

    def _answer_updates(self, request: list[Json]) -> Iterator[Json]:
        _settings, *items = request
        for item in items:
            update_id, number = str(item["update_id"]), int(str(item["revision"]))
            self.asked.append(RevisionId(update_id, number))
            has = {known.revision for known in self.known if known.update_id == update_id}
            found = bool(has) if number == 0 else number in has
            revision = number or max(has, default=0)
            terms = RevisionId(update_id, revision)
            yield {
                "kind": "update",
                "update_id": update_id,
                "revision": revision,
                "found": found,
                "license_required": terms in self.licensed,
                "license_accepted": terms in self.accepted,
            }

    def _answer_operations(self, request: list[Json]) -> Iterator[Json]:
        server = ModelServer.holding(self.present)
        server.groups.add(ALL_COMPUTERS)
        yield from (server.answer(dict(line)) for line in request if "n" in line)
        self.present = server.decisions()
        self.accepted |= server.accepted
        if self.cuts_connection:
            raise ConnectionLostError(address="wsus", reason="it was cut")

    @property
    def content_dir(self) -> HostPath:
        return self.run.server.path(CONTENT_DIR)

    def write_content(self, content: bytes) -> ContentName:
        """Put a file into WsusContent, which nobody has proved yet."""
        name = write_content(self.workshop.root / "aside", content)
        folder = self.content_dir.joined(name.folder)
        self.run.server.make_folder(folder)
        self.run.server.write(folder.joined(name.text), [content])
        return name

    def list_content(self) -> ContentListing:
        listing = self.run.new_listing(self.content_dir)
        return listing.fill(
            scan(self.run.server, self.content_dir, remembered=self.run.hash_cache.lookup)
        )

    def make_bundle(
        self,
        sequence: int = 1,
        *,
        decided: list[Approval | Decline] | None = None,
        mode: Mode = Mode.INCREMENTAL,
        parent: Header | None = None,
    ) -> Path:
        """Seal a bundle with what the workshop holds now."""
        self.workshop.decisions = b"".join(decisions(*(decided or [])).encoded())
        packed = self.workshop.pack(sequence)
        reference = parent.reference if parent is not None else None
        header = self.workshop.header(packed, sequence, parent=reference)
        server = FACTS.model_copy(update={"id": writing.SERVER_ID})
        header = header.model_copy(update={"server": server, "mode": mode})
        self.workshop.publish(header)
        return self.workshop.bundle(sequence)

    def import_(
        self, bundle: Path, *, rebuilt: RebuiltChoice | None = None, confirm: str | None = None
    ) -> TrustedBundle:
        """Import a bundle, step by step as the flow does, with a report of its own."""
        self.run.report = ReportDraft()
        delivery = self.take_in(bundle)
        plan = plan_import(self.run, delivery, self.facts, self.list_content(), rebuilt=rebuilt)
        describe_plan(self.run.report, plan)
        if rebuilt is not None:
            plan = require_confirmed(self.run, delivery, plan, confirm=confirm)
        begin(self.run, delivery, self.facts, plan.rebuilt)
        place_content(self.run, delivery, self.list_content())
        content = list_and_prove(self.run, self.content_dir)
        self.known |= {update.key for update in self.workshop.updates}
        again = plan_approvals(self.run, delivery, plan, content)
        outcome = apply_choice(self.run, again, work=delivery.work, inputs=plan.inputs)
        audit = audit_import(self.run, delivery, self.facts, content)
        finish_import(self.run, delivery, content, approvals=outcome, audit=audit)
        return delivery

    def take_in(self, bundle: Path) -> TrustedBundle:
        """Open and unpack a bundle."""
        arrival = open_incoming(self.run, [str(bundle)], to_import=True)
        delivery, _ = unpack(self.run, arrival, self.list_content(), volume=None)
        return delivery


def superseded(delivery: TrustedBundle) -> TrustedBundle:
    """The same bundle after a newer one was imported."""
    verdict = delivery.incoming.verdict
    assert verdict is not None
    older: Any = replace(verdict, kind="repair", is_newest=False)
    return replace(delivery, incoming=replace(delivery.incoming, verdict=older))
