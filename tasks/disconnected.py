"""Steps of the disconnected side: what changes there that WSUS or its clients see, begins here."""

from __future__ import annotations

from tasks.crossing import (
    deciding,
    deleting,
    examining,
    finishing,
    fitting,
    importing,
    proving,
)
from tasks.crossing.arrival import Arrival, Delivery, judge_again
from tasks.crossing.describing import describe_plan
from tasks.crossing.importing import ImportPlan
from tasks.crossing.leftovers import sweep_server
from tasks.crossing.listing import Listing
from tasks.crossing.mark import compare_mark
from tasks.logs import log
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.policy import at_work, found_done, step


@step("Lock server")
def lock_server() -> None:
    """Take the lock that lies on the server; it is let go when the run ends."""
    place = at_work()
    place.make_folders()
    place.lock_server()
    sweep_server(place)


@step("Check server")
def check_server(arrival: Arrival | None = None) -> ServerFacts:
    """See that the server can take part, and that its settings fit the bundle's."""
    place = at_work()
    if arrival is not None:
        judge_again(place, arrival)
    facts = examining.check_server(place)
    compare_mark(place)
    if facts.content_volume is not None:
        place.content_free_bytes = facts.content_volume.free_bytes
    if facts.active_rules:
        place.alarm(f"{facts.active_rules} automatic approval rules are active on this server")
    if arrival is not None:
        fitting.compare_servers(place, arrival.header, facts)
    return facts


@step("Scan content")
def scan_content(server: ServerFacts, *, everything: bool = False) -> Listing:
    """List WsusContent and prove what nobody has looked into since it changed."""
    place = at_work()
    listing = examining.scan_content(place, server)
    read = proving.prove_present(place, listing, everything=everything)
    log.info("%s content files, %s bytes; %s files read", *listing.totals(), read)
    return listing


@step("Plan import")
def plan_import(
    delivery: Delivery, server: ServerFacts, content: Listing, *, confirm: str | None
) -> ImportPlan:
    """Plan everything; stop before the first change when a person must see the plan."""
    place = at_work()
    plan = importing.plan_import(place, delivery, server, content)
    describe_plan(place, plan)
    return importing.require_confirmed(place, delivery, plan, confirm=confirm)


@step("Place content")
def place_content(delivery: Delivery, server: ServerFacts, content: Listing) -> Listing:
    """Move content from the intake into WsusContent: the first change."""
    place = at_work()
    importing.begin(place, delivery, server)
    moved = importing.place_content(place, delivery, content)
    place.note(placed=moved)
    place.changed["files placed"] += moved
    log.info("placed %s files", moved)
    return importing.list_placed(place, delivery, content)


@step("Load metadata")
def load_metadata(
    delivery: Delivery, plan: ImportPlan, server: ServerFacts, content: Listing
) -> Listing:
    """Have wsusutil import the package, and judge it by all signals.

    That can take hours, in which files of WsusContent come and go: what lies there is listed anew.
    """
    place = at_work()
    with PackageIndex(delivery.index) as index:
        place.details["revisions"] = index.summary.revisions
    if importing.is_loaded(place, delivery, plan.sources):
        found_done()
        return content
    importing.load_metadata(place, delivery, plan.sources, server)
    place.changed["metadata packages loaded"] += 1
    listing = examining.scan_content(place, server)
    proving.prove_present(place, listing)
    return listing


@step("Apply approvals")
def apply_approvals(delivery: Delivery, plan: ImportPlan, content: Listing) -> None:
    """Plan anew from what the server says now, and apply."""
    place = at_work()
    approvals = importing.plan_approvals(place, delivery, plan, content)
    outcome = deciding.apply_plan(
        place, approvals, work=delivery.work, incoming=plan.sources.incoming
    )
    finishing.note_approvals(place, outcome, plan.sources.index)
    place.changed["decisions applied"] += len(outcome.applied)
    log.info("%s decisions applied, %s failed", len(outcome.applied), len(outcome.failed))


@step("Delete content")
def delete_content(delivery: Delivery, plan: ImportPlan, content: Listing) -> Listing:
    """Move to the trash what a mirror's confirmed plan names."""
    place = at_work()
    if not plan.deletes.files:
        return content
    moved = deleting.delete(place, delivery, plan.deletes, content)
    place.changed["files deleted"] += moved
    log.info("moved %s files to the trash", moved)
    return importing.list_placed(place, delivery, content)


@step("Audit content")
def audit_content(delivery: Delivery, server: ServerFacts, content: Listing) -> None:
    """Name every approved or parked update whose content is missing, and why."""
    if delivery.arrival.is_superseded:
        finishing.audit_standing(at_work(), server, content, every_update=False)
        return
    finishing.audit_import(at_work(), delivery, server, content)


@step("Write receipt")
def write_receipt(delivery: Delivery, content: Listing) -> None:
    """Finish the import in the ledger, and write the receipt that may go back."""
    finishing.finish_import(at_work(), delivery, content)


@step("Apply parked approvals")
def apply_parked_approvals(server: ServerFacts, content: Listing) -> None:
    """Apply parked approvals whose content has come, and held ones that may go ahead."""
    finishing.apply_waiting(at_work(), server, content)


@step("Audit server")
def audit_server(server: ServerFacts, content: Listing, *, every_update: bool) -> None:
    """Compare metadata with content on a server as it stands."""
    finishing.audit_standing(at_work(), server, content, every_update=every_update)
