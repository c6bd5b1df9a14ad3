"""Re-join a chain on the staging side after its state was lost, with a person's word."""

from __future__ import annotations

from pathlib import Path

from tasks.bundle.documents import unpack_documents
from tasks.bundle.layout import APPROVALS, MANIFEST, bundle_name
from tasks.hosts.host import Host
from tasks.hosts.small_files import write_atomic
from tasks.ledger.choices import Choices
from tasks.ledger.exports import ExportRecord, Exports
from tasks.names import Mode, Side
from tasks.refusals import ChainError
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.stored_documents import PAYLOAD, matches_binding
from tasks.server.anchor import Anchor, find_anchor, require_confirmation
from tasks.server.mark import renew_custody
from tasks.server.queries import read_running_server
from tasks.server.wsusutil_run import wait_for_own_wsusutil


def recover_export_chain(
    run: RunContext, *, bundle: str | None, digest: str | None, confirm: str | None
) -> None:
    """Record the bundle that was sealed last, so that the next one descends from it.

    With the bundle at hand its manifest comes back too, and its receipt can be accepted; without
    it the next bundle carries everything.

    Args:
        run: The run.
        bundle: As in ``find_anchor``.
        digest: As in ``find_anchor``.
        confirm: Digest of what would be recorded, which a person has read; None: show it.

    Raises:
        UsageError, SealError, WrongSiteError, ChainError, ServerUnfitError: As ``find_anchor``.
        ChainError: This state folder has sealed another bundle of that number.
        PlanUnconfirmedError: It is not confirmed yet.
        LockHeldError, WsusutilRunningError: Another run, or a wsusutil, works on the server.
    """
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "export")
    anchor = find_anchor(run, bundle=bundle, digest=digest, stray_chain=run.ledger.chain)
    _require_free(run.exports, anchor)
    newest = run.exports.newest_sealed()
    if run.ledger.chain == anchor.chain and newest and newest.sequence >= anchor.sequence:
        run.report.lines.append(
            f"nothing is lost: this state folder knows the chain up to bundle {newest.sequence}"
        )
        return
    require_confirmation(run.site, run.report, anchor, confirm=confirm)
    name = anchor.name(run.site.name)
    record_event(
        run, "confirmed", f"site recover: {anchor.basis}", bundle=name, digest=anchor.digest.hex
    )
    facts = read_running_server(run)
    folder = run.site.state_dir / "bundles" / name
    folder.mkdir(parents=True, exist_ok=True)
    has_documents = _bring_documents(run.media, anchor, folder)
    _record(run, anchor, folder)
    run.ledger.adopt_server(Side.STAGING, facts.server_id)
    renew_custody(run, anchor=anchor.as_mark(run.site.name))
    run.report.lines.append(
        f"accept the receipt of bundle {anchor.sequence}, and the next bundle carries only what "
        "is new"
        if has_documents
        else "its manifest is not at hand, so that the next bundle carries everything"
    )


def _require_free(exports: Exports, anchor: Anchor) -> None:
    record = exports.by_sequence(anchor.sequence)
    if record is None or record.header_digest in {None, anchor.digest}:
        return
    raise ChainError(
        reason=f"this state folder has made another bundle {anchor.sequence}",
        remedy="Two staging sides export for this site. Find out which one the disconnected side "
        "follows, and use its state folder.",
    )


def _bring_documents(machine: Host, anchor: Anchor, folder: Path) -> bool:
    """Copy header, manifest and decisions from the bundle; False if it is not whole or at hand."""
    if anchor.opened is None:
        return False
    header = anchor.opened.header
    unpack_documents(anchor.opened, folder)
    payload = machine.path(str(folder.absolute())).joined(PAYLOAD)
    write_atomic(machine, payload, [header.payload()])
    bindings = ((MANIFEST, header.manifest), (APPROVALS, header.approvals))
    return all(matches_binding(folder / name, binding) for name, binding in bindings)


def _record(run: RunContext, anchor: Anchor, folder: Path) -> None:
    header, now = anchor.header, run.clock()
    run.ledger.replace_chain(anchor.chain)
    run.exports.rejoin(
        ExportRecord(
            sequence=anchor.sequence,
            status="sealed",
            mode=header.mode if header else Mode.INCREMENTAL,
            base_digest=None,
            parent_digest=None,
            header_digest=anchor.digest,
            fingerprint=None,
            bundle=run.site.media.path / bundle_name(run.site.name, anchor.sequence),
            folder=folder,
            created=anchor.created,
            sealed=now,
            receipt=None,
            accepted=None,
        )
    )
    run.ledger.note_time(anchor.created)
    Choices(run.ledger).remember(
        run.run_id, "recover", sequence=anchor.sequence, reason=anchor.basis, now=now
    )
