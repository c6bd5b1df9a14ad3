"""The carry card: one page on paper that travels with a bundle, and the same as text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.bundle.brings import BroughtUpdate
from tasks.bundle.header import Header, VolumeBinding
from tasks.quantities import count, moment, size
from tasks.reports.decision_lines import Reported
from tasks.reports.html import page_environment
from tasks.reports.inspection_lines import SignerLine
from tasks.visible import visible

_MOST_VOLUMES = 12
_MOST_NAMES = 60
_HANDS = ("Packed by", "Signed by a second person", "Carried by", "Received by")


class CarryCard(Reported):
    """Content of the card. Texts are foreign.

    Attributes:
        facts: Labels and values, in the order of the page.
        volumes: By volume: its number, files, size and the BLAKE3 of its list ``BLAKE3SUMS``.
        signers: Name of the key file and fingerprint of each signature.
        brings: Names of what it brings, by KB, the weightiest first; cut to one page.
        anchor: What ``site recover`` needs: site, chain, sequence and header digest.
    """

    bundle: str
    facts: tuple[tuple[str, str], ...]
    volumes: tuple[tuple[str, str, str, str], ...]
    signers: tuple[tuple[str, str], ...]
    brings: tuple[str, ...]
    anchor: str


def make_card(
    header: Header,
    digest: str,
    signers: Sequence[SignerLine],
    updates: Sequence[BroughtUpdate],
    *,
    unlisted: str | None,
) -> CarryCard:
    """Make the card of a sealed bundle.

    Args:
        header: Its header.
        digest: The header's digest, hex.
        signers: The signatures on it.
        updates: What it brings, the weightiest first.
        unlisted: Reason why ``updates`` does not name all; None if it does.
    """
    counts = header.counts
    facts = (
        ("Site", header.site),
        ("Made", moment(header.created)),
        ("After bundle", str(header.parent.sequence) if header.parent else "none: the first"),
        ("Needs bundle", str(header.base.sequence) if header.base else "none"),
        ("Volumes", count(len(header.volumes))),
        ("Content files", f"{count(counts.carried_files)}, {size(counts.carried_bytes)}"),
        ("Brings", _brings_fact(updates, unlisted)),
    )
    return CarryCard(
        bundle=header.bundle,
        facts=facts,
        volumes=tuple(_volume_rows(header.volumes)),
        signers=tuple((line.name or "an unknown key", line.fingerprint) for line in signers),
        brings=tuple(_names(updates)),
        anchor=f"{header.site} {header.chain} {header.sequence} {digest}",
    )


def render_card(card: CarryCard) -> str:
    """Render the page as HTML: no script, one page of A4 or letter."""
    return page_environment().get_template("carry-card.html.j2").render(card=card, hands=_HANDS)


def render_card_text(card: CarryCard) -> str:
    """Render the page as text of at most 100 columns, apart from long names."""
    width = max(len(label) for label, _ in card.facts)
    lines = [f"CARRY CARD   {card.bundle}", ""]
    lines += [f"{label:<{width}}  {value}" for label, value in card.facts]
    lines += ["", "Signatures (compare the fingerprints over the telephone)"]
    lines += [f"  {name}\n    {fingerprint}" for name, fingerprint in card.signers]
    lines += ["", "Volumes: files, size, BLAKE3 of its BLAKE3SUMS"]
    lines += [
        f"  {number}  {files}, {amount}\n    {sums}" for number, files, amount, sums in card.volumes
    ]
    lines += ["", "What it brings", *(f"  {name}" for name in card.brings)]
    lines += ["", "Anchor (site, chain, sequence, header digest)", f"  {card.anchor}", ""]
    for hand in _HANDS:
        lines += [
            f"{hand:<26} ______________________  date ____________  signature ____________",
            "",
        ]
    return "\n".join(visible(part) for line in lines for part in line.split("\n")) + "\n"


def card_paths(bundle: Path) -> tuple[Path, Path]:
    """Return the paths of the card beside a bundle's folder: HTML, and text."""
    return tuple(  # type: ignore[return-value] # two of them
        bundle.with_name(f"carry-card-{bundle.name}.{suffix}") for suffix in ("html", "txt")
    )


def _brings_fact(updates: Sequence[BroughtUpdate], unlisted: str | None) -> str:
    if not updates:
        return unlisted or "no update that is new, and no files of others"
    apart = sum(update.origin != "microsoft" for update in updates)
    return ", ".join(
        [
            count(len(updates), "update"),
            f"{count(sum(update.is_new for update in updates))} of them new",
            f"{count(apart)} not from Microsoft or not shown to be",
        ]
    )


def _volume_rows(volumes: Sequence[VolumeBinding]) -> Iterator[tuple[str, str, str, str]]:
    for volume in volumes[:_MOST_VOLUMES]:
        yield (
            f"{volume.number:03d}",
            count(volume.files, "file"),
            size(volume.size_bytes),
            volume.blake3sums.blake3.hex,
        )
    if (more := len(volumes) - _MOST_VOLUMES) and more > 0:
        yield "…", f"{count(more)} volumes more", "", "in the header, which the seal binds"


def _names(updates: Sequence[BroughtUpdate]) -> Iterator[str]:
    """Yield each KB once, with the gravest severity of its updates."""
    names: dict[str, str] = {}
    for update in updates:
        names.setdefault(update.name[:80], update.severity)
    for name, severity in list(names.items())[:_MOST_NAMES]:
        yield f"{name} ({severity})" if severity else name
    if (more := len(names) - _MOST_NAMES) > 0:
        yield f"and {count(more)} more: `wsus-airgap show` names them"
