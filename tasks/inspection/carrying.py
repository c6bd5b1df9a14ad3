"""Signatures of a sealed bundle, and its carry card beside its folder on the media."""

from __future__ import annotations

from pathlib import Path

from tasks.errors import AirGapError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.inspection.shown import ShownBundle, below_threshold, by_weight, open_shown
from tasks.reports.carry_card import card_paths, make_card, render_card, render_card_text
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft

_CARD_LIMIT_BYTES = 1_000_000


def describe_for_carrying(run: RunContext, bundle: Path) -> None:
    """Report the signatures of a sealed bundle, and write its carry card.

    Below the threshold of signatures the run is flagged. A card that cannot be written is said, and
    is no failure: the bundle is whole without it.
    """
    shown = open_shown(run, [bundle])
    run.report.note(signers=shown.signers, created=shown.header.created)
    for sentence in below_threshold(shown):
        run.report.notice(sentence)
    write_card(run.media, run.report, shown)


def write_card(media: Host, report: ReportDraft, shown: ShownBundle) -> None:
    """Write the carry card of a bundle, as a page and as text, unless it lies there already."""
    card = make_card(
        shown.header,
        shown.digest,
        shown.signers,
        by_weight(shown.updates()),
        unlisted=shown.unlisted_sentence,
    )
    texts = (render_card(card), render_card_text(card))
    try:
        for path, text in zip(card_paths(shown.folder), texts, strict=True):
            _write_once(media, media.path(str(path)), text.encode())
    except AirGapError as error:
        report.lines.append(f"the carry card could not be written: {error.message}")
        return
    report.lines.append(f"carry card: {card_paths(shown.folder)[0]}")


def _write_once(media: Host, path: HostPath, content: bytes) -> None:
    """Write a file unless it has this content: an export that answers again changes no medium."""
    status = media.stat(path)
    is_file = status is not None and status.kind == "file"
    if not is_file or read_limited(media, path, limit_bytes=_CARD_LIMIT_BYTES) != content:
        write_atomic(media, path, [content])
