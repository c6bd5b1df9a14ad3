"""Whether a bundle fits this site: its place in the chain, and the two servers."""

from __future__ import annotations

from tasks.approvals.model import MOST_APPROVALS, MOST_DECLINES
from tasks.bundle.chain import ChainVerdict, ImportedBundle, SiteMemory
from tasks.bundle.header import Header
from tasks.crossing.workplace import Workplace
from tasks.metadata.server import ServerFacts, ServerSettings, compare_settings
from tasks.names import Side
from tasks.refusals import SettingsDifferError, TrustError


def remember_chain(place: Workplace) -> SiteMemory:
    """What this site remembers of its chain, from the ledger alone."""
    return SiteMemory(
        site=place.site.name,
        chain=place.ledger.chain,
        imported={
            record.sequence: ImportedBundle(
                digest=record.header_digest,
                created=record.created,
                begun=record.begun,
                done=record.done,
            )
            for record in place.imports.all()
        },
        last_run=place.ledger.newest_time,
    )


def say_verdict(place: Workplace, bundle: str, verdict: ChainVerdict) -> None:
    """Say what a person should know of how the bundle fits the chain."""
    if verdict.kind == "repair" and verdict.known is not None and verdict.known.done is not None:
        place.lines.append(
            f"{bundle} was imported on {verdict.known.done:%Y-%m-%d %H:%M} UTC; "
            "what has vanished since is put back"
        )
        if not verdict.is_newest:
            place.lines.append("a newer bundle was imported since: its metadata and approvals stay")
    needed = verdict.gap.sequence if verdict.gap is not None else 0
    for number in verdict.skipped:
        place.alarm(
            f"bundle {number} never came; {bundle} "
            + ("counts on it" if number <= needed else "does not need it")
        )
    if verdict.gap is not None:
        place.alarm(
            f"the gap up to bundle {verdict.gap.sequence} is accepted ({verdict.gap_reason}); "
            "what only those bundles carried is missing"
        )
    if verdict.is_nearly_too_old:
        place.alarm(f"{bundle} is {verdict.age_days} days old, nearly too old for this site")


def compare_servers(place: Workplace, header: Header, facts: ServerFacts) -> None:
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
    place.require_known_server(Side.STAGING, staging.id)


def require_countable(header: Header) -> None:
    """Refuse, before anything is copied, decisions that are more than the format allows.

    Raises:
        TrustError: They are.
    """
    counts = header.counts
    for what, count, most in (
        ("approvals", counts.approvals, MOST_APPROVALS),
        ("declines", counts.declines, MOST_DECLINES),
    ):
        if count > most:
            raise TrustError(
                reason=f"bundle {header.bundle} has {count} {what}, at most {most} are allowed"
            )
