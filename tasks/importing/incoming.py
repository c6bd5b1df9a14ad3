"""Open a bundle, judge its place in the chain, and prove it; nothing is changed.

Opening checks one thing after the other, each before anything that it protects is read:

====  =========================================  ===========================================
step  check                                      refusal
====  =========================================  ===========================================
1     the site's scanner finds it clean          ``malware``
      the folders are there and hold a bundle    ``path-missing``, ``usage``, ``host-file``
2     the seal is valid, by trusted keys         ``seal``, ``safety`` (a later format)
3     the volumes belong together, to this site  ``wrong-site``
4     the counts are within the format's limits  ``trust``
5     it fits the chain (only to import)         ``chain``, ``age``, ``clock``
====  =========================================  ===========================================

A bundle that passes the fifth check has one of four verdicts (``ChainVerdict.kind``):

======  =====================================  ==================================================
kind    ledger                                 the import
======  =====================================  ==================================================
first   no bundle was imported                 takes the bundle in, and follows its chain
next    older bundles were imported            takes the bundle in
resume  its import was begun, not finished     goes on with it
repair  its import was finished                puts back what has vanished since: content and, if
                                               no newer bundle was imported, metadata and approvals
======  =====================================  ==================================================

From opening to import the chain may move, so ``judge_again`` repeats the fifth check once the
server is locked.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.approvals.model import MOST_APPROVALS, MOST_DECLINES
from tasks.bundle.chain import ChainPolicy, ChainVerdict, ImportedBundle, SiteMemory, judge
from tasks.bundle.faults import printable, raise_for_faults
from tasks.bundle.header import Header
from tasks.bundle.layout import APPROVALS, BRINGS
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.verify import prove_bundle
from tasks.content.names import Blake3
from tasks.errors import FailedError, HostFileError, PathMissingError
from tasks.hosts.host import FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.inspection.shown import report_opened, signer_lines
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import INDEX
from tasks.refusals import ChainError, HostKeyError, SafetyError, TrustError, WrongSiteError
from tasks.reports.sections import faults_section, neighbours_section
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.keys import bundle_trust
from tasks.run.media_scan import record_scan, scan_media
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_decisions_file
from tasks.server.mark import compare_mark

_NEIGHBOURS_NAMED = 5
_PROVED = (
    (
        "proved: the seal, every byte of the bundle by its BLAKE3, which the seal binds, and that "
        "nothing else lies in its folder"
    ),
    (
        "not proved: that each content file is named by its SHA-1, and that the list of what it "
        "brings agrees with the metadata package (the import compares both); that what was packed "
        "is good"
    ),
)


@dataclass(frozen=True, slots=True)
class IncomingBundle:
    """A bundle on media whose seal is good; its files are not proved yet.

    For an import its place in the chain is known too.

    Attributes:
        opened: The opened bundle.
        folder: Our own folder of this bundle, for copies of its documents.
        verdict: Its place in the chain; None for the command ``verify``.
        accepted_gap: Reason for which a person accepts a gap for this import; None: none is given.
    """

    opened: OpenedBundle
    folder: Path
    verdict: ChainVerdict | None = None
    accepted_gap: str | None = None

    @property
    def header(self) -> Header:
        """The verified header."""
        return self.opened.header

    @property
    def digest(self) -> Blake3:
        """The header's digest: the bundle's identity."""
        return self.opened.trusted.digest

    @property
    def work(self) -> WorkId:
        """Name under which the ledger keeps this import's steps.

        Its folder on the server has the same name.
        """
        return WorkId("import", self.header.sequence, bundle=self.digest.short)

    @property
    def index(self) -> Path:
        """Path of the index of its metadata package."""
        return self.folder / INDEX

    @property
    def is_repair(self) -> bool:
        """True if this same bundle was imported to its end before."""
        return self.verdict is not None and self.verdict.kind == "repair"

    @property
    def is_superseded(self) -> bool:
        """True if a newer bundle was imported since; then this import only restores content."""
        return self.verdict is not None and not self.verdict.is_newest


def open_incoming(
    run: RunContext, folders: list[str], *, to_import: bool, accepted_gap: str | None = None
) -> IncomingBundle:
    """Open a bundle and check its seal and site; with ``to_import``, its place in the chain too.

    Args:
        run: The run.
        folders: The bundle's folder; several are its volumes, or copies of it.
        to_import: Judge its place in the chain as well.
        accepted_gap: As in ``IncomingBundle``.

    Raises:
        PathMissingError: A folder is not there.
        MalwareError: The site's scanner did not find it clean.
        UsageError: A folder is above or below a bundle's folder.
        HostFileError: A folder or the seal cannot be read.
        SealError: There is no valid seal by trusted keys.
        SafetyError: The bundle has a later format.
        WrongSiteError: It is another site's, or the folders are not of one bundle.
        TrustError: It counts more approvals or declines than the format allows.
        ChainError: It does not follow what was imported here (with ``to_import``).
        BundleAgeError: It is older than the site accepts (with ``to_import``).
        ClockError: It was made more than a day after now, or before its predecessor (with
            ``to_import``).
    """
    if "" in folders:
        raise PathMissingError(what="the bundle's folder", path="")
    # Path.resolve raises an OSError of its own on a broken disk; realpath resolves what it can.
    paths = [run.media.path(os.path.realpath(folder)) for folder in folders]
    _list_neighbours(run.media, run.report, paths)
    verdict_of_scan = scan_media(run, [path.text for path in paths])
    opened = open_bundle(run.media, paths, bundle_trust(run.site))
    header = opened.header
    run.report.note(
        bundle=Path(paths[0].text),
        sequence=header.sequence,
        base=header.base.sequence if header.base else None,
        files=header.counts.carried_files,
        bytes=header.counts.carried_bytes,
        signers=signer_lines(run.site, opened.trusted),
        created=header.created,
    )
    record_scan(run, verdict_of_scan, bundle=header.bundle, digest=opened.trusted.digest.hex)
    if header.site != run.site.name:
        raise WrongSiteError(what=paths[0], found=header.site, expected=run.site.name)
    require_countable(header)
    verdict = _judge_and_compare_mark(run, opened, accepted_gap) if to_import else None
    if verdict is not None:
        report_verdict(run.report, header.bundle, verdict)
        if verdict.kind == "first" and header.parent is not None and verdict.gap is None:
            run.report.lines.append(
                f"bundles up to {header.parent.sequence} were made before it and never imported "
                f"here; {header.bundle} carries all that staging holds"
            )
    name = f"{header.bundle}-{opened.trusted.digest.short}"
    own = run.site.state_dir / ("imports" if to_import else "work") / name
    folder = run.scratch / name if run.rehearses else own
    return IncomingBundle(opened, folder, verdict, accepted_gap)


def _list_neighbours(host: Host, report: ReportDraft, bundles: list[HostPath]) -> None:
    """Report the names beside the bundle's folder on the media, without opening them."""
    entries: list[tuple[HostPath, FileStat]] = []
    for folder in sorted({bundle.parent for bundle in bundles}, key=lambda path: path.text):
        try:
            stats = Media(host).list_folder(folder)
        except HostFileError as error:  # it may be passed through and not listed, or is too full
            report.lines.append(f"what lies beside the bundle is not shown: {error.message}")
            continue
        entries += ((folder.joined(stat.name), stat) for stat in stats)
    others = [(path, stat) for path, stat in entries if path not in bundles]
    if others:
        report.sections.append(neighbours_section(others))
        names = ", ".join(printable(path.name) for path, _ in others[:_NEIGHBOURS_NAMED])
        more = ", …" if len(others) > _NEIGHBOURS_NAMED else ""
        report.lines.append(f"beside the bundle lie, unopened: {names}{more}")


def _judge_and_compare_mark(
    run: RunContext, opened: OpenedBundle, accepted_gap: str | None
) -> ChainVerdict:
    """Judge a bundle; if it does not fit, compare the mark on the server as well.

    The cause may be a lost or restored state folder, which another bundle would not help.
    """
    try:
        return judge_opened(run, opened, accepted_gap=accepted_gap)
    except ChainError as unfit:
        try:
            with suppress(FailedError, HostKeyError, SafetyError):  # the server is unreachable
                compare_mark(run)
        except ChainError as set_back:
            reason = f"{unfit.message}; {set_back.message}"
            raise ChainError(reason=reason, remedy=set_back.next_step) from set_back
        raise


def judge_opened(
    run: RunContext, opened: OpenedBundle, *, accepted_gap: str | None = None
) -> ChainVerdict:
    """Judge the place of an opened bundle in the chain (raises as ``bundle.chain.judge``)."""
    policy = ChainPolicy(
        max_age_days=run.site.trust.max_bundle_age_days,
        accept_gap=run.site.policy.on_gap == "accept",
        accepted_gap=accepted_gap,
    )
    return judge(opened.trusted, read_site_memory(run), policy, now=run.clock())


def judge_again(run: RunContext, incoming: IncomingBundle) -> None:
    """Judge the bundle again: another import may have ended before we held the lock.

    Raises:
        ChainError: The bundle does not fit any more.
        SafetyError: It still fits, but the verdict changed.
    """
    before = incoming.verdict
    now = judge_opened(run, incoming.opened, accepted_gap=incoming.accepted_gap)
    if before is None or (now.kind, now.skipped, now.gap, now.is_newest) != (
        before.kind, before.skipped, before.gap, before.is_newest,
    ):  # fmt: skip
        raise SafetyError(
            reason=f"another import ended while {incoming.header.bundle} was being opened"
        )


def prove(run: RunContext, incoming: IncomingBundle) -> None:
    """Prove every byte of a bundle and change nothing; copies of its documents are removed again.

    Bytes are proved by their BLAKE3, which the seal binds. The SHA-1 in the name of a content file
    is computed by the import, before the file gets that name.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: The media differ
            from the seal; the report lists every fault.
        TrustError: A sealed document is not in the format.
    """
    folder = run.scratch / "verify"
    folder.mkdir()
    run.progress.start("Verify", total=incoming.header.counts.carried_bytes, unit="bytes")
    try:
        prove_bundle(incoming.opened, scratch=folder, progress=run.progress)
        refuse_faults(run.report, incoming)
        read_decisions_file(folder / APPROVALS)
        report_opened(run, incoming.opened, folder / BRINGS)
        run.report.lines += _PROVED
        header = incoming.header
        record_event(
            run,
            "verified",
            f"every byte of {header.counts.carried_files} files",
            bundle=header.bundle,
            digest=incoming.digest.hex,
        )
    finally:
        run.progress.finish()
        shutil.rmtree(folder, ignore_errors=True)


def refuse_faults(report: ReportDraft, incoming: IncomingBundle) -> None:
    """Report all faults of the media so far, and raise the error of the worst.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: The media have such
            faults; wrong bytes come first, missing files after undeclared names.
    """
    faults = incoming.opened.faults
    if faults or faults.recovered:
        report.sections.append(faults_section(faults))
    if faults.total > 1:
        report.lines.append(f"{faults.total} faults in all; the report lists them")
    if faults.recovered:
        report.lines.append(
            f"{len(faults.recovered)} files of one copy are missing or damaged and were taken from "
            f"another, first {faults.recovered[0].path}"
        )
    raise_for_faults(incoming.header.bundle, faults)


def require_countable(header: Header) -> None:
    """Refuse a bundle with more decisions than the format allows, before anything is copied.

    Raises:
        TrustError: Its header counts too many approvals or declines.
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


def read_site_memory(run: RunContext) -> SiteMemory:
    """Return the ledger's record of this site's chain, by which a bundle is judged."""
    return SiteMemory(
        site=run.site.name,
        chain=run.ledger.chain,
        imported={
            record.sequence: ImportedBundle(
                digest=record.header_digest,
                created=record.created,
                begun=record.begun,
                done=record.done,
            )
            for record in run.imports.all()
        },
        last_run=run.ledger.newest_time,
    )


def report_verdict(report: ReportDraft, bundle: str, verdict: ChainVerdict) -> None:
    """Report a repair, a gap, or an age that a person should know of."""
    earlier = verdict.earlier_import
    if verdict.kind == "repair" and earlier is not None and earlier.done is not None:
        report.lines.append(
            f"{bundle} was imported on {earlier.done:%Y-%m-%d %H:%M} UTC; "
            "what has vanished since is put back"
        )
        if not verdict.is_newest:
            report.lines.append(
                "a newer bundle was imported since: its metadata and approvals stay"
            )
    needed = verdict.gap.sequence if verdict.gap is not None else 0
    for number in verdict.skipped:
        report.notice(
            f"bundle {number} never came; {bundle} "
            + ("counts on it" if number <= needed else "does not need it")
        )
    if verdict.gap is not None:
        report.notice(
            f"the gap up to bundle {verdict.gap.sequence} is accepted ({verdict.gap_reason}); "
            "what only those bundles carried is missing"
        )
    if verdict.is_nearly_too_old:
        report.notice(f"{bundle} is {verdict.age_days} days old, nearly too old for this site")
