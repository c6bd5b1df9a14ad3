"""Re-join a chain on the disconnected side after its state was lost, with a person's word."""

from __future__ import annotations

from tasks.ledger.choices import Choices
from tasks.ledger.imports import ImportRecord
from tasks.names import Side
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.server.anchor import find_anchor, require_confirmation
from tasks.server.mark import renew_custody
from tasks.server.queries import read_running_server
from tasks.server.wsusutil_run import wait_for_own_wsusutil


def recover_import_chain(
    run: RunContext, *, bundle: str | None, digest: str | None, confirm: str | None
) -> None:
    """Record the bundle that was imported last; importing it again brings its documents back.

    Args:
        run: The run.
        bundle: As in ``find_anchor``.
        digest: As in ``find_anchor``.
        confirm: Digest of what would be recorded, which a person has read; None: show it.

    Raises:
        UsageError, SealError, WrongSiteError, ChainError, ServerUnfitError: As ``find_anchor``.
        PlanUnconfirmedError: It is not confirmed yet.
        LockHeldError, WsusutilRunningError: Another run, or a wsusutil, works on the server.
    """
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "import")
    anchor = find_anchor(run, bundle=bundle, digest=digest)
    newest = run.imports.newest()
    if run.ledger.chain == anchor.chain and newest and newest.sequence >= anchor.sequence:
        run.report.lines.append(
            f"nothing is lost: this state folder knows the chain up to bundle {newest.sequence}"
        )
        return
    require_confirmation(run.site, run.report, anchor, confirm=confirm)
    name = anchor.name(run.site.name)
    text = f"site recover: {anchor.basis}"
    record_event(run, "confirmed", text, bundle=name, digest=anchor.digest.hex)
    facts, now = read_running_server(run), run.clock()
    run.ledger.replace_chain(anchor.chain)
    run.ledger.adopt_server(Side.DISCONNECTED, facts.server_id)
    if anchor.header is not None:
        run.ledger.adopt_server(Side.STAGING, anchor.header.server.id)
        run.ledger.note_time(anchor.created)
    run.imports.rejoin(
        ImportRecord(
            header_digest=anchor.digest,
            sequence=anchor.sequence,
            status="done",
            folder=run.site.state_dir / "imports" / f"{name}-{anchor.digest.short}",
            created=anchor.created,
            begun=now,
            done=now,
            outcome=None,
        )
    )
    Choices(run.ledger).remember(
        run.run_id, "recover", sequence=anchor.sequence, reason=anchor.basis, now=now
    )
    renew_custody(run, anchor=anchor.as_mark(run.site.name))
    run.report.lines.append(
        f"import {name} again now: it brings its documents and decisions back, and changes nothing "
        "that is in place"
    )
