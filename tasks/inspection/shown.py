"""A bundle as ``show``, ``sign`` and ``verify`` report it: signers, place, what it brings.

Only the header and the list of what the bundle brings are read, after the seal holds. The list is
copied to our own disk and compared with the header before a line of it is parsed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.bundle.brings import BroughtUpdate, read_brings, read_brings_end
from tasks.bundle.documents import copy_document
from tasks.bundle.faults import raise_for_faults
from tasks.bundle.header import Header, TrustedHeader
from tasks.bundle.layout import BRINGS
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.seal import Trust
from tasks.errors import AirGapError
from tasks.logs import log
from tasks.quantities import count, size
from tasks.refusals import WrongSiteError
from tasks.reports.bundle_sections import (
    NOT_RECORDED,
    apart_section,
    brought_line,
    grouped_section,
    identity_section,
    supersedence_section,
)
from tasks.reports.files import write_reports
from tasks.reports.inspection_lines import SignerLine
from tasks.reports.model import CommandReport, Section
from tasks.reports.sections import brought_section, shown_names
from tasks.run.context import RunContext, open_run_context
from tasks.run.keys import bundle_trust, key_names
from tasks.run.made_by import made_by
from tasks.run.media_scan import record_scan, scan_media
from tasks.site.settings import Site

_TERMINAL_ROWS = 40
_PROVED = (
    "Proved: the seal. Not read: content, manifest and metadata package; `verify` proves them."
)


@dataclass(frozen=True, slots=True)
class ShownBundle:
    """A bundle whose seal holds, with what people are shown of it.

    Attributes:
        folder: The bundle's folder.
        opened: The opened bundle.
        signers: All signatures on it.
        brings: Our own copy of the list of what it brings; None if it has none, or the first
            volume is not here.
        missing: Number of signatures that the site's threshold still needs.
    """

    folder: Path
    opened: OpenedBundle
    signers: tuple[SignerLine, ...]
    brings: Path | None
    missing: int

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.opened.header

    @property
    def digest(self) -> str:
        """The header's digest, hex."""
        return self.opened.trusted.digest.hex

    def updates(self) -> list[BroughtUpdate]:
        """Read the list of what it brings; empty if there is none here."""
        return [] if self.brings is None else list(read_brings(self.brings))

    @property
    def unlisted_sentence(self) -> str | None:
        """Reason why the list does not name all updates; None if it does."""
        if self.header.brings is None:
            return NOT_RECORDED
        if self.brings is None:
            return "not here: the list of what it brings lies in volume 1"
        end = read_brings_end(self.brings)
        more = end.updates - end.listed
        return f"{count(more, 'more update')} that its list has no room for" if more else None


def open_shown(run: RunContext, folders: Sequence[Path]) -> ShownBundle:
    """Open a bundle on media for people; one trusted signature suffices.

    Raises:
        PathMissingError, UsageError, HostFileError, SealError, SafetyError: As ``open_bundle``.
        WrongSiteError: It is another site's, or the folders are not of one bundle.
        TamperError, UndeclaredFileError: The list is not the sealed one.
        TrustError: The list breaks the format although it is sealed.
    """
    paths = [run.media.path(os.path.realpath(folder)) for folder in folders]
    trust = bundle_trust(run.site)
    opened = open_bundle(run.media, paths, Trust(trust.keys, 1))
    if opened.header.site != run.site.name:
        raise WrongSiteError(what=paths[0], found=opened.header.site, expected=run.site.name)
    copy = None
    if opened.header.brings is not None and 1 in opened.volume_folders:
        copy = copy_document(opened, BRINGS, opened.header.brings, run.scratch)
        if copy is None:
            raise_for_faults(opened.header.bundle, opened.faults)
    return ShownBundle(
        folder=Path(paths[0].text),
        opened=opened,
        signers=signer_lines(run.site, opened.trusted),
        brings=copy,
        missing=max(0, trust.threshold - len(opened.trusted.signed_by)),
    )


def report_opened(run: RunContext, opened: OpenedBundle, brings: Path) -> None:
    """Add to the report of a run what ``show`` shows of a bundle.

    Args:
        run: The run.
        opened: The opened bundle.
        brings: Our own copy of the list of what it brings; missing for a bundle of format 1.
    """
    shown = ShownBundle(
        folder=Path(),
        opened=opened,
        signers=signer_lines(run.site, opened.trusted),
        brings=brings if brings.is_file() else None,
        missing=0,
    )
    updates = shown.updates()
    run.report.note(brings=None if shown.brings is None else tuple(map(brought_line, updates)))
    run.report.sections += shown_sections(shown, updates, now=run.clock())
    amount = shown.unlisted_sentence or amount_sentence(updates)
    run.report.lines.append(f"brings: {amount}")


def signer_lines(site: Site, trusted: TrustedHeader) -> tuple[SignerLine, ...]:
    """Return the signatures on a bundle, the trusted ones first."""
    names = key_names(site)
    lines = (
        SignerLine(
            fingerprint=fingerprint,
            name=names.get(fingerprint),
            trusted=fingerprint in trusted.signed_by,
        )
        for fingerprint in trusted.signatures
    )
    return tuple(sorted(lines, key=lambda line: (not line.trusted, line.fingerprint)))


def show_bundle(
    site: str, folders: Sequence[Path], *, clock: Callable[[], datetime]
) -> CommandReport:
    """Make the report of the command ``show`` (raises as ``open_shown``)."""
    with open_run_context(site, command="show", side=None, clock=clock) as run:
        verdict = scan_media(run, [os.path.realpath(folder) for folder in folders])
        shown = open_shown(run, folders)
        record_scan(run, verdict, bundle=shown.header.bundle, digest=shown.digest)
        return write_shown(run.site, report_shown(run, shown), shown, now=run.clock())


def write_shown(
    site: Site, report: CommandReport, shown: ShownBundle, *, now: datetime
) -> CommandReport:
    """Write the page of a bundle for people, replacing an earlier one; without it, say so."""
    folder = site.state_dir / "reports" / f"show-{shown.header.bundle}"
    page = report.model_copy(update={"lines": ()})  # its tables say the same
    try:
        written = write_reports(folder, page, now=now)
        return report.model_copy(update={"report": written.report})
    except AirGapError as fault:
        log.warning("the page of %s could not be written: %s", shown.header.bundle, fault)
        return report


def report_shown(
    run: RunContext, shown: ShownBundle, *, lines: Sequence[str] = (), next_step: str | None = None
) -> CommandReport:
    """Return a bundle as a report; it is flagged below the threshold of signatures."""
    header, updates = shown.header, shown.updates()
    notices = below_threshold(shown)
    return CommandReport(
        command=run.command,
        site=run.site.name,
        made_by=made_by(run.site, run.ledger, by_api=run.by_api),
        exit_code=2 if notices else 0,
        bundle=shown.folder,
        sequence=header.sequence,
        base=header.base.sequence if header.base else None,
        files=header.counts.carried_files,
        bytes=header.counts.carried_bytes,
        signers=shown.signers,
        created=header.created,
        brings=None if shown.brings is None else tuple(map(brought_line, updates)),
        sections=shown_sections(shown, updates, now=run.clock()),
        notices=notices,
        lines=(*lines, *_terminal_lines(shown, updates, now=run.clock()), *notices),
        details={
            "digest": shown.digest,
            "chain": header.chain,
            "parent": header.parent.sequence if header.parent else None,
            "mode": header.mode.value,
            "volumes": len(header.volumes),
            "volumes_here": len(shown.opened.volume_folders),
            "format": header.format,
            "unlisted": shown.unlisted_sentence,
        },
        next_step=next_step or _next_step(notices),
    )


def below_threshold(shown: ShownBundle) -> tuple[str, ...]:
    """Return a sentence if fewer keys have signed than the site file asks for."""
    if not shown.missing:
        return ()
    signed = len(shown.opened.trusted.signed_by)
    sentence = (
        f"{count(signed, 'trusted key has', 'trusted keys have')} signed {shown.header.bundle}, "
        f"{signed + shown.missing} are needed: `import` and `verify` refuse it until then"
    )
    return (sentence,)


def shown_sections(
    shown: ShownBundle, updates: Sequence[BroughtUpdate], *, now: datetime
) -> tuple[Section, ...]:
    """Return the tables about a bundle, for ``show`` and ``verify``."""
    present = len(shown.opened.volume_folders)
    sections: list[Section | None] = [
        identity_section(shown.header, shown.digest, shown.signers, present=present, now=now)
    ]
    if shown.brings is not None:
        sections += [
            apart_section(updates),
            grouped_section(updates),
            brought_section(updates),
            supersedence_section(updates),
        ]
    return tuple(section for section in sections if section is not None)


def _next_step(notices: Sequence[str]) -> str:
    if notices:
        return "Have another person sign it: `wsus-airgap sign BUNDLE --key KEY`."
    return "Prove every byte of it: `wsus-airgap verify BUNDLE`."


def _terminal_lines(
    shown: ShownBundle, updates: Sequence[BroughtUpdate], *, now: datetime
) -> tuple[str, ...]:
    header = shown.header
    (identity, *_) = shown_sections(shown, (), now=now)
    width = max(len(fact.label) for fact in identity.facts)
    facts = [f"{fact.label:<{width}}  {fact.value}" for fact in identity.facts]
    signed = [
        f"{'Signed by':<{width}}  {signer.name or 'an unknown key'} "
        f"({'trusted' if signer.trusted else 'not trusted here'}) {signer.fingerprint}"
        for signer in shown.signers
    ]
    unlisted = shown.unlisted_sentence
    brings = f"{'Brings':<{width}}  " + (
        amount_sentence(updates) if shown.brings is not None else unlisted or ""
    )
    rows = [_row(update) for update in by_weight(updates)[:_TERMINAL_ROWS]]
    more = len(updates) - len(rows)
    return (
        *facts,
        *signed,
        brings,
        *rows,
        *([f"  and {count(more)} more, in `--json`"] if more else []),
        *([f"  and {unlisted}"] if shown.brings is not None and unlisted else []),
        f"{'Voided':<{width}}  {', '.join(map(str, header.voided))}" if header.voided else _PROVED,
        *([_PROVED] if header.voided else []),
    )


def amount_sentence(updates: Sequence[BroughtUpdate]) -> str:
    """Count the updates that a bundle brings, in words."""
    apart = sum(update.origin != "microsoft" for update in updates)
    new = sum(update.is_new for update in updates)
    parts = [count(len(updates), "update"), f"{count(new)} of them new"]
    if apart:
        parts.append(f"{count(apart)} not from Microsoft or not shown to be")
    return ", ".join(parts)


def by_weight(updates: Sequence[BroughtUpdate]) -> list[BroughtUpdate]:
    """Sort for a person who decides: what is not from Microsoft, then by severity and size."""
    order = {"Critical": 0, "Important": 1, "Moderate": 2, "Low": 3}
    return sorted(
        updates,
        key=lambda update: (
            update.origin == "microsoft",
            order.get(update.severity, 4),
            -update.size_bytes,
            update.key,
        ),
    )


def _row(update: BroughtUpdate) -> str:
    cves = shown_names(update.cves, update.cve_count, most=2)
    facts = ", ".join(
        filter(None, (update.severity, update.classification, cves, size(update.size_bytes)))
    )
    apart = "" if update.origin == "microsoft" else f" [{update.origin}]"
    return f"  {update.kb or 'no KB':<10} {update.title or update.update_id}{apart} ({facts})"
