"""Steps that touch media: pack and seal on one side, open, prove and unpack on the other."""

from __future__ import annotations

from tasks.bundle.pack import Packed
from tasks.bundle.plan import Plan
from tasks.crossing import arrival as arrivals
from tasks.crossing import describing, export
from tasks.crossing.arrival import Arrival, Delivery
from tasks.crossing.draft import Draft
from tasks.crossing.listing import Listing
from tasks.ledger.steps import ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.policy import at_work, name_run, step


@step("Pack volumes")
def pack_bundle(draft: Draft, plan: Plan, content: Listing, package: ExportedPackage) -> Packed:
    """Write content, lists and documents onto the media; the seal is not there yet."""
    place = at_work()
    packed = export.pack(place, draft, content, plan=plan, package=package)
    counts = packed.manifest
    place.note(files=counts.carried_files, bytes=counts.carried_bytes)
    for each in packed.left_out:
        place.alarm(f"{each.name.text} was left out: {each.error.message}")
    log.info("packed %s files, %s bytes", counts.carried_files, counts.carried_bytes)
    return packed


@step("Seal bundle")
def seal_bundle(draft: Draft, packed: Packed, server: ServerFacts) -> None:
    """Commit sequence and digest, then write the seal: from now on it is a bundle."""
    digest = export.seal(at_work(), draft, packed, server)
    log.info("sealed %s, header digest %s", draft.bundle.name, digest.hex)


@step("Describe bundle")
def describe_bundle(draft: Draft) -> None:
    """Say what the bundle brings."""
    describing.describe_bundle(at_work(), draft)


@step("Open bundle")
def open_bundle(bundles: list[str], *, to_import: bool = False) -> Arrival:
    """Check the seal, and when it is to be imported the place in the chain."""
    place = at_work()
    arrival = arrivals.open_arrival(place, bundles, to_import=to_import)
    bundle = arrival.header.bundle
    name_run(f"{bundle} {place.command}", bundle)
    log.info("%s is sealed by %s", bundle, ", ".join(arrival.opened.trusted.signed_by))
    return arrival


@step("Prove bundle")
def prove_bundle(arrival: Arrival) -> None:
    """Read every byte of a bundle and compare it with its seal."""
    arrivals.prove(at_work(), arrival)


@step("Unpack bundle")
def unpack_bundle(arrival: Arrival, content: Listing) -> Delivery:
    """Copy the whole bundle from the media, proving every byte; content goes into the intake."""
    place = at_work()
    delivery, counts = arrivals.unpack(place, arrival, content)
    log.info(
        "%s files proved: %s written to the intake, %s in place already",
        counts.carried,
        counts.written,
        counts.in_place,
    )
    return delivery
