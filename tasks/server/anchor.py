"""Anchor of a chain: the bundle by which a side that has lost its state joins the chain again.

Two things must name the same bundle: the mark on the server, which no bundle can write, and what a
person has in hand, the bundle itself with its seal, or the header digest that report, receipt and
carry card show. Without a mark only a sealed bundle is taken.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

from blake3 import blake3

from tasks.bundle.canonical import canonical_json
from tasks.bundle.header import Header
from tasks.bundle.layout import bundle_name
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.content.names import Blake3
from tasks.errors import UsageError
from tasks.refusals import ChainError, PlanUnconfirmedError, WrongSiteError
from tasks.run.context import RunContext
from tasks.run.keys import bundle_trust
from tasks.run.media_scan import record_scan, scan_media
from tasks.run.report import ReportDraft
from tasks.server.mark import Mark, read_mark
from tasks.site.settings import Site

# Without the bundle nobody can say when it was made; no later bundle may look older than it.
UNKNOWN_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_NAME_IT = (
    "Name the folder of the bundle that was imported or sealed last, or its header digest with "
    "--digest: report, receipt and carry card show it."
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The bundle that a side joins its chain by.

    Attributes:
        opened: The bundle on the media; None if a person has only its digest.
        basis: What names it, in words.
    """

    chain: str
    sequence: int
    digest: Blake3
    opened: OpenedBundle | None
    basis: str

    @property
    def header(self) -> Header | None:
        """The verified header; None without the bundle."""
        return self.opened.header if self.opened else None

    @property
    def created(self) -> datetime:
        """Time at which the bundle was made, or a time before every bundle."""
        return self.header.created if self.header else UNKNOWN_TIME

    def name(self, site: str) -> str:
        """Name of the bundle."""
        return bundle_name(site, self.sequence)

    def as_mark(self, site: str) -> Mark:
        """Return the mark of the bundle."""
        return Mark(site=site, chain=self.chain, sequence=self.sequence, header_digest=self.digest)

    def sentence(self, site: str) -> str:
        """Return what would be recorded, in words."""
        return (
            f"{self.name(site)} with header digest {self.digest.hex}, of chain {self.chain}, "
            f"becomes the newest bundle that this side knows, by {self.basis}"
        )


def find_anchor(
    run: RunContext, *, bundle: str | None, digest: str | None, stray_chain: str | None = None
) -> Anchor:
    """Find the bundle that both the mark and a person name.

    Args:
        run: The run.
        bundle: The bundle's folder; None: a person has only its digest.
        digest: The header digest, 64 hexadecimal digits; None: not given.
        stray_chain: Chain that this side began after it had lost its state; a mark of it says
            nothing of the lost chain. None: there is none.

    Raises:
        UsageError: Neither was given, or the digest is none.
        MalwareError: The site's scanner did not find the bundle clean.
        SealError, WrongSiteError: The bundle is not sealed by a trusted key, or is another site's.
        ChainError: The mark names another bundle, or there is none and no bundle was given.
        ServerUnfitError: The mark cannot be read.
    """
    given = _parse(digest)
    opened = None if bundle is None else _open(run, bundle)
    marked = read_mark(run)
    if marked is not None and marked.chain == stray_chain:
        marked = None
    if opened is not None:
        if given is not None and given != opened.trusted.digest:
            raise _not_the_same("the digest that was given", given, opened.trusted.digest)
        return _of_bundle(run.report, opened, marked)
    if given is None:
        raise UsageError(reason="nothing names the bundle to go on from", remedy=_NAME_IT)
    if marked is None:
        raise ChainError(
            reason=f"the server bears no mark of that chain ({run.folders.mark}), and a digest "
            "alone proves nothing",
            remedy="Name the folder of that bundle, whose seal is then verified.",
        )
    if given != marked.header_digest:
        raise _not_the_same("the digest that was given", given, marked.header_digest)
    return Anchor(
        marked.chain,
        marked.sequence,
        given,
        None,
        "the digest that was given and the server's mark",
    )


def require_confirmation(
    site: Site, report: ReportDraft, anchor: Anchor, *, confirm: str | None
) -> None:
    """Require that a person has read what would be recorded, and confirms it by its digest.

    Raises:
        PlanUnconfirmedError: It is not confirmed yet, or the digest is another plan's.
    """
    facts = [site.name, site.side.value, anchor.chain, anchor.sequence, anchor.digest.hex]
    plan_digest = blake3(canonical_json(facts)).hexdigest()
    sentence = anchor.sentence(site.name)
    report.note(plan_digest=plan_digest, sequence=anchor.sequence)
    report.lines.append(sentence)
    if (confirm or "").strip().lower() != plan_digest:
        raise PlanUnconfirmedError(summary=sentence, plan_digest=plan_digest)


def _parse(digest: str | None) -> Blake3 | None:
    if digest is None:
        return None
    try:
        return Blake3.from_hex(digest.strip().lower())
    except ValueError as error:
        raise UsageError(reason=f"--digest: {error}", remedy=_NAME_IT) from error


def _open(run: RunContext, bundle: str) -> OpenedBundle:
    path = run.media.path(os.path.realpath(bundle))
    verdict = scan_media(run, [path.text])
    opened = open_bundle(run.media, [path], bundle_trust(run.site))
    header = opened.header
    record_scan(run, verdict, bundle=header.bundle, digest=opened.trusted.digest.hex)
    if header.site != run.site.name:
        raise WrongSiteError(what=path, found=header.site, expected=run.site.name)
    return opened


def _of_bundle(report: ReportDraft, opened: OpenedBundle, marked: Mark | None) -> Anchor:
    header, digest = opened.header, opened.trusted.digest
    if marked is None:
        report.notice(
            "the server bears no mark of that chain. Only the bundle's seal "
            "and your word say that it was the last one"
        )
    elif marked.header_digest != digest:
        what = f"{header.bundle}, which was named,"
        raise _not_the_same(what, digest, marked.header_digest, marked)
    basis = "its seal" if marked is None else "its seal and the server's mark"
    return Anchor(header.chain, header.sequence, digest, opened, basis)


def _not_the_same(
    what: str, given: Blake3, expected: Blake3, marked: Mark | None = None
) -> ChainError:
    where = "the bundle" if marked is None else f"the server's mark, of bundle {marked.sequence},"
    return ChainError(
        reason=f"{what} has header digest {given.short}; {where} has {expected.short}",
        remedy="Name the bundle that was imported into, or sealed for, this server last. If the "
        "server was restored from a snapshot, that is the one its mark names.",
    )
