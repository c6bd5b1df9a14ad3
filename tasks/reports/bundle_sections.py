"""Tables about a bundle: its place and signers, what it brings, what stands apart. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from tasks.bundle.brings import BroughtUpdate
from tasks.bundle.header import BundleReference, Header
from tasks.quantities import count, moment, size
from tasks.reports.inspection_lines import BroughtLine, SignerLine
from tasks.reports.model import Column, Fact, Section
from tasks.reports.sections import MOST_ROWS, cut_note, shown_names

NOT_RECORDED = "not recorded: the bundle is of format 1"
_ORIGINS = {
    "locally-published": "published on the staging server, not by Microsoft",
    "no-microsoft-address": "a file has no address of Microsoft's",
}


def brought_line(update: BroughtUpdate) -> BroughtLine:
    """Return an update as the JSON document has it."""
    return BroughtLine(
        update_id=update.update_id,
        revision=update.revision,
        title=update.title,
        kb=update.kb,
        severity=update.severity,
        classification=update.classification,
        products=update.products,
        cves=update.cves,
        supersedes=update.supersedes,
        files=update.files,
        bytes=update.size_bytes,
        new=update.is_new,
        origin=update.origin,
    )


def identity_section(
    header: Header, digest: str, signers: Sequence[SignerLine], *, present: int, now: datetime
) -> Section:
    """Facts of a bundle by its sealed header, and a table of its signatures.

    Args:
        header: The header; its seal holds.
        digest: The header's digest, hex.
        signers: The signatures.
        present: Number of its volumes that are here.
        now: Time by which its age is told.
    """
    age_days = (now - header.created).days
    volumes = len(header.volumes)
    counts = header.counts
    carried = f"{count(counts.carried_files, 'file')}, {size(counts.carried_bytes)}"
    facts = (
        ("Bundle", header.bundle),
        ("Site", header.site),
        ("Chain", header.chain),
        ("After bundle", _reference(header.parent, "none: it is the first")),
        ("Needs bundle", _reference(header.base, "none: it carries everything")),
        ("Made", f"{moment(header.created)}, {count(age_days, 'day')} ago"),
        ("Mode", header.mode.value),
        ("Volumes", f"{count(volumes)}, {count(present)} of them here"),
        ("Content", carried),
        ("Header digest", digest),
        ("Packed by", header.product),
    )
    return Section(
        key="bundle",
        title="The bundle and its seal",
        note="Each signature is over the header digest, which binds all volumes.",
        facts=tuple(Fact(label=label, value=value) for label, value in facts),
        columns=(
            Column(label="Signed by"),
            Column(label="Trusted here", kind="short"),
            Column(label="Fingerprint"),
        ),
        rows=tuple(
            (signer.name or "an unknown key", "yes" if signer.trusted else "no", signer.fingerprint)
            for signer in signers
        ),
    )


def _reference(reference: BundleReference | None, none: str) -> str:
    return none if reference is None else f"{reference.sequence} ({reference.digest.short})"


def grouped_section(updates: Iterable[BroughtUpdate]) -> Section:
    """Table of the number of updates by severity, classification and product."""
    counts: Counter[tuple[str, str]] = Counter()
    for update in updates:
        counts["Severity", update.severity or "none given"] += 1
        counts["Classification", update.classification or "none given"] += 1
        for product in update.products or ("none given",):
            counts["Product", product] += 1
    order = ("Severity", "Classification", "Product")
    rows = sorted(counts.items(), key=lambda item: (order.index(item[0][0]), -item[1], item[0][1]))
    return Section(
        key="brings-by",
        title="What it brings, counted",
        note="An update of several products counts for each." + cut_note(rows, " "),
        columns=(
            Column(label="By", kind="short"),
            Column(label="Value"),
            Column(label="Updates", kind="count"),
        ),
        rows=tuple((by, value, number) for (by, value), number in rows[:MOST_ROWS]),
    )


def apart_section(updates: Iterable[BroughtUpdate]) -> Section | None:
    """Table of the updates that do not come from Microsoft, as far as can be told; None if none."""
    apart = [update for update in updates if update.origin != "microsoft"]
    if not apart:
        return None
    return Section(
        key="not-from-microsoft",
        title="Not from Microsoft, or not shown to be",
        note="Read these one by one: WSUS installs them by the site's own certificate."
        + cut_note(apart, " "),
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="New", kind="short"),
            Column(label="Why it stands here"),
        ),
        rows=tuple(
            (
                update.title or f"{update.update_id} revision {update.revision}",
                update.kb,
                "yes" if update.is_new else "no",
                _ORIGINS[update.origin],
            )
            for update in apart[:MOST_ROWS]
        ),
    )


def supersedence_section(updates: Iterable[BroughtUpdate]) -> Section | None:
    """Table of the updates that supersede others; None if none does."""
    superseding = [update for update in updates if update.supersedes_count]
    if not superseding:
        return None
    return Section(
        key="supersedes",
        title="What supersedes what",
        note=cut_note(superseding),
        columns=(
            Column(label="Update"),
            Column(label="KB", kind="short"),
            Column(label="Supersedes", kind="count"),
            Column(label="Ids of the superseded"),
        ),
        rows=tuple(
            (
                update.title or f"{update.update_id} revision {update.revision}",
                update.kb,
                update.supersedes_count,
                shown_names(update.supersedes, update.supersedes_count),
            )
            for update in superseding[:MOST_ROWS]
        ),
    )
