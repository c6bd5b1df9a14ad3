"""Steps that touch media: pack and seal on one side, open, prove and unpack on the other."""

from __future__ import annotations

from tasks.bundle.pack import Packed
from tasks.bundle.plan import Plan
from tasks.content.content_listing import ContentListing
from tasks.exporting import export_bundle, export_summary
from tasks.exporting.draft import Draft
from tasks.flow_run import current_run
from tasks.importing import incoming as arrivals
from tasks.importing import trusted_bundle
from tasks.importing.incoming import IncomingBundle
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.ledger.steps import ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.run_page import name_run
from tasks.server.wsusutil_run import report_running_wsusutil
from tasks.step import step


@step("Pack volumes")
def pack_bundle(
    draft: Draft, plan: Plan, content: ContentListing, package: ExportedPackage
) -> Packed:
    """Write content, lists and documents onto the media; the seal is not there yet."""
    run = current_run()
    packed = export_bundle.pack(run, draft, content, plan=plan, package=package)
    counts = packed.manifest
    run.report.note(files=counts.carried_files, bytes=counts.carried_bytes)
    for each in packed.left_out:
        run.report.notice(f"{each.name.text} was left out: {each.error.message}")
    log.info("packed %s files, %s bytes", counts.carried_files, counts.carried_bytes)
    return packed


@step("Seal bundle")
def seal_bundle(draft: Draft, packed: Packed, server: ServerFacts) -> None:
    """Commit sequence and digest, then write the seal: from now on it is a bundle."""
    digest = export_bundle.seal(current_run(), draft, packed, server)
    log.info("sealed %s, header digest %s", draft.bundle.name, digest.hex)


@step("Describe bundle")
def describe_bundle(draft: Draft) -> None:
    """Say what the bundle brings."""
    export_summary.describe_bundle(current_run(), draft)


@step("Open bundle")
def open_bundle(bundles: list[str], *, to_import: bool = False) -> IncomingBundle:
    """Check the seal, and when it is to be imported the place in the chain."""
    run = current_run()
    if not to_import:
        report_running_wsusutil(run)
    arrival = arrivals.open_incoming(run, bundles, to_import=to_import)
    bundle = arrival.header.bundle
    name_run(f"{bundle} {run.command}", bundle)
    log.info("%s is sealed by %s", bundle, ", ".join(arrival.opened.trusted.signed_by))
    return arrival


@step("Prove bundle")
def prove_bundle(arrival: IncomingBundle) -> None:
    """Read every byte of a bundle and compare it with its seal."""
    arrivals.prove(current_run(), arrival)


@step("Unpack bundle")
def unpack_bundle(
    arrival: IncomingBundle, server: ServerFacts, content: ContentListing
) -> TrustedBundle:
    """Copy the whole bundle from the media, proving every byte; content goes into the intake."""
    run = current_run()
    delivery, counts = trusted_bundle.unpack(run, arrival, content, volume=server.content_volume)
    log.info(
        "%s files proved: %s written to the intake, %s in place already",
        counts.carried,
        counts.written,
        counts.in_place,
    )
    return delivery
