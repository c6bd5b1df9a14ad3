"""Whether a bundle fits this site: its place in the chain, and the two servers."""

from __future__ import annotations

from datetime import datetime

from tasks.bundle.chain import ChainVerdict, ImportedBundle, SiteMemory
from tasks.bundle.header import Header
from tasks.errors import SettingsDifferError
from tasks.metadata.server import ServerFacts, ServerSettings, compare_settings
from tasks.run.context import RunContext


def remember_chain(run: RunContext) -> SiteMemory:
    """What this site remembers of its chain, from the ledger alone."""
    last_run = run.ledger.fact("latest_time")
    return SiteMemory(
        site=run.site.name,
        chain=run.ledger.fact("chain"),
        imported={
            record.sequence: ImportedBundle(
                digest=record.header_digest,
                created=record.created,
                begun=record.begun,
                done=record.done,
            )
            for record in run.imports.all()
        },
        last_run=datetime.fromisoformat(last_run) if last_run else None,
    )


def say_verdict(run: RunContext, bundle: str, verdict: ChainVerdict) -> None:
    """Say what a person should know of how the bundle fits the chain."""
    if verdict.kind == "repair" and verdict.known is not None and verdict.known.done is not None:
        run.report.lines.append(
            f"{bundle} was imported on {verdict.known.done:%Y-%m-%d %H:%M} UTC; "
            "what has vanished since is put back"
        )
        if not verdict.is_newest:
            run.report.lines.append(
                "a newer bundle was imported since: its metadata and approvals stay"
            )
    needed = verdict.gap.sequence if verdict.gap is not None else 0
    for number in verdict.skipped:
        run.report.notice(
            f"bundle {number} never came; {bundle} "
            + ("counts on it" if number <= needed else "does not need it")
        )
    if verdict.gap is not None:
        run.report.notice(
            f"the gap up to bundle {verdict.gap.sequence} is accepted ({verdict.gap_reason}); "
            "what only those bundles carried is missing"
        )
    if verdict.is_nearly_too_old:
        run.report.notice(f"{bundle} is {verdict.age_days} days old, nearly too old for this site")


def compare_servers(run: RunContext, header: Header, facts: ServerFacts) -> None:
    """Compare this server with the one that the bundle comes from, and with what we remember.

    Raises:
        SettingsDifferError: Every difference, each with its remedy.
        ServerChangedError: The staging server has another id than this site remembers.
    """
    staging = header.server
    theirs = ServerSettings(
        server_id=staging.id,
        version=staging.version,
        protocol_version=staging.protocol_version,
        download_express=staging.download_express,
        all_languages=staging.all_languages,
        languages=staging.languages,
    )
    differences = compare_settings(theirs, facts)
    if differences:
        raise SettingsDifferError(
            differences="; ".join(each.sentence for each in differences),
            remedy=" ".join(each.remedy for each in differences),
        )
    run.require_known_server("staging", staging.id)
