"""Steps that touch media: pack, seal, describe a bundle; find, open, prove and unpack one.

"Refuses" in a step's docstring lists the kinds of its refusals (exit codes 3 and 4), "Raises" those
of its other errors. Every step that works with the server may also refuse with ``host-key``,
``script-digest`` and ``folder-unsafe``, and raise ``connection-lost``, ``time-limit``,
``command-failed``, ``script-failed``, ``host-file`` and ``disk-full``.
"""

from __future__ import annotations

from tasks import volume_gate
from tasks.approvals.capture import ServerDecisions
from tasks.bundle.pack import Packed
from tasks.bundle.plan import Plan
from tasks.content.content_listing import ContentListing
from tasks.exporting import export_bundle, export_summary
from tasks.exporting.draft import Draft
from tasks.flow_run import current_run
from tasks.importing import brings_in, trusted_bundle, volume_feed
from tasks.importing.incoming import IncomingBundle, open_incoming, prove
from tasks.importing.next_bundle import find_next_bundle, require_found
from tasks.importing.trusted_bundle import BundleDocuments, TrustedBundle
from tasks.inspection import carrying
from tasks.ledger.steps import ExportedPackage
from tasks.logs import log
from tasks.metadata.server import ServerFacts
from tasks.run.carrier import record_carrier
from tasks.run_page import is_scheduled, name_run
from tasks.server.wsusutil_run import report_running_wsusutil
from tasks.step import step


@step("Pack volumes")
def pack_bundle(
    draft: Draft,
    plan: Plan,
    content: ContentListing,
    package: ExportedPackage,
    *,
    decisions: ServerDecisions,
) -> Packed:
    """Write content, lists and documents onto the media, without the seal.

    Refuses: ``room``; ``safety``, if a foreign file lies in the bundle's folder, or the manifest
    passes a limit of the format.
    Raises: ``batch-failed``, ``disk-full``, ``host-file``.
    """
    run = current_run()
    packed = export_bundle.pack(
        run, draft, content, plan=plan, package=package, decisions=decisions
    )
    counts = packed.manifest
    run.report.note(files=counts.carried_files, bytes=counts.carried_bytes)
    for file in packed.left_out:
        run.report.notice(f"{file.name.text} was left out: {file.error.message}")
    log.info("packed %s files, %s bytes", counts.carried_files, counts.carried_bytes)
    return packed


@step("Seal bundle")
def seal_bundle(draft: Draft, packed: Packed, server: ServerFacts) -> None:
    """Commit sequence and digest, then write the seal, which makes it a bundle.

    Refuses: ``safety``, if header or documents pass a limit of the format.
    Raises: ``failed``, if the bundle can no longer be made as it was committed; ``path-missing``,
    if a key file went.
    """
    digest = export_bundle.seal(current_run(), draft, packed, server)
    log.info("sealed %s, header digest %s", draft.bundle.name, digest.hex)


@step("Describe bundle")
def describe_bundle(draft: Draft) -> None:
    """Report what the bundle brings and who signed it, and write its carry card beside it.

    Refuses: ``trust``, if the sealed list of what it brings breaks the format.
    """
    run = current_run()
    carrying.describe_for_carrying(run, draft.bundle)
    export_summary.describe_bundle(run.report, draft, run.look_up_in(draft.manifest))


@step("Find bundle")
def find_bundle(*, if_new: bool, accepted_gap: str | None = None) -> list[str]:
    """Find the next bundle of the chain on the medium; give its folder, or nothing.

    A run that a schedule began, or one with ``if_new``, ends without work if there is none.
    Refuses: ``chain`` and the other kinds of Open bundle, if there are new bundles and none fits.
    Raises: ``path-missing``, if there is none, ``usage``, if several fit, ``host-file``.
    """
    run = current_run()
    search = find_next_bundle(run, accepted_gap=accepted_gap)
    if search.bundle is None and (if_new or is_scheduled()):
        run.report.ended_as = f"Nothing to {run.command}"
        run.report.lines.append(f"no new bundle of the chain lies on {search.looked_in}")
        return []
    return [require_found(search).text]


@step("Open bundle")
def open_bundle(
    bundles: list[str], *, to_import: bool = False, accepted_gap: str | None = None
) -> IncomingBundle:
    """Check a bundle's seal and site and, to import it, its place in the chain.

    On a terminal, or in the page of a deployment's run, an import asks for the volumes that are not
    at hand, and proves each that comes.

    Refuses: ``seal``, ``wrong-site``, ``trust``, ``safety`` (a later format); to import it also
    ``chain``, ``age``, ``clock``, and of volumes that come ``room``, ``tamper``, ``undeclared``.
    Raises: ``path-missing``, ``usage``, ``host-file``, ``disk-full``; ``bundle-incomplete``, if the
    page is to ask for a volume.
    """
    run = current_run()
    if to_import:
        ask = None if run.rehearses else volume_feed.ask_on_terminal()
        in_page = ask is None and not run.rehearses and volume_gate.may_ask(run)
        bundles = volume_feed.gather_volumes(run, bundles, ask=ask, in_page=in_page)
    else:
        report_running_wsusutil(run)
    incoming = open_incoming(run, bundles, to_import=to_import, accepted_gap=accepted_gap)
    bundle = incoming.header.bundle
    name_run(f"{bundle} {run.command}", bundle)
    record_carrier(run, bundle, incoming.digest.hex, name=run.carried_by)
    log.info("%s is sealed by %s", bundle, ", ".join(incoming.opened.trusted.signed_by))
    return incoming


@step("Prove bundle")
def prove_bundle(incoming: IncomingBundle) -> None:
    """Read every byte of a bundle and compare it with its seal.

    Refuses: ``tamper``, ``undeclared``, ``trust``.
    Raises: ``bundle-incomplete``, ``host-file``.
    """
    prove(current_run(), incoming)


@step("Unpack bundle")
def unpack_bundle(
    incoming: IncomingBundle, server: ServerFacts, content: ContentListing
) -> TrustedBundle:
    """Copy the whole bundle from the media, proving every byte; content goes into the intake.

    Refuses: ``tamper``, ``undeclared``, ``trust``, ``room``.
    Raises: ``bundle-incomplete``, ``package``, ``host-file``, ``disk-full``.
    """
    run = current_run()
    trusted, counts = trusted_bundle.unpack(run, incoming, content, volume=server.content_volume)
    brings_in.compare_brings(run.imports, run.report, trusted)
    log.info(
        "%s files proved: %s written to the intake, %s in place already",
        counts.carried,
        counts.written,
        counts.in_place,
    )
    return trusted


@step("Read documents")
def read_documents(incoming: IncomingBundle) -> BundleDocuments:
    """Copy manifest, package and approvals from the media and prove them; content is not read.

    Refuses: ``tamper``, ``undeclared``, ``trust``.
    Raises: ``bundle-incomplete``, ``package``, ``host-file``, ``disk-full``.
    """
    run = current_run()
    return trusted_bundle.read_documents(run.report, run.look_up_in, incoming)
