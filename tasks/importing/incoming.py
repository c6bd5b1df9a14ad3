"""The disconnected side, before anything is changed: open, compare, unpack, prove."""

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
from tasks.bundle.layout import APPROVALS
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import OpenedBundle, open_bundle
from tasks.bundle.verify import prove_bundle
from tasks.content.names import Blake3
from tasks.errors import FailedError, HostFileError, PathMissingError
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.ledger.work_id import WorkId
from tasks.metadata.index import INDEX
from tasks.refusals import (
    ChainError,
    HostKeyError,
    SafetyError,
    TrustError,
    WrongSiteError,
)
from tasks.reports.sections import faults_section, neighbours_section
from tasks.run.context import RunContext
from tasks.run.keys import bundle_trust
from tasks.run.stored_documents import read_decisions_file
from tasks.server.mark import compare_mark

_ROOM_BESIDES = 64 * 1_048_576
_NEIGHBOURS_NAMED = 5


@dataclass(frozen=True, slots=True)
class IncomingBundle:
    """A bundle on media whose seal is good and whose place in the chain is known.

    Attributes:
        opened: The bundle; its files are unproved.
        folder: Our own folder of this bundle, for copies of its documents.
        verdict: How it fits the chain; None when nobody asked (verify).
    """

    opened: OpenedBundle
    folder: Path
    verdict: ChainVerdict | None = None

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
        """What the steps of this import are remembered under, and its folder on the server."""
        return WorkId("import", self.header.sequence, bundle=self.digest.short)

    @property
    def index(self) -> Path:
        """The index of its metadata package."""
        return self.folder / INDEX

    @property
    def is_repair(self) -> bool:
        """Whether this very bundle was imported to its end before."""
        return self.verdict is not None and self.verdict.kind == "repair"

    @property
    def is_superseded(self) -> bool:
        """Whether a newer bundle was imported since: this one may only put content back."""
        return self.verdict is not None and not self.verdict.is_newest


def open_incoming(run: RunContext, folders: list[str], *, to_import: bool) -> IncomingBundle:
    """Open a bundle: seal and site, and when it is to be imported its place in the chain.

    Raises:
        PathMissingError: A folder is not there.
        UsageError: A folder is no bundle's, but one above or below it.
        HostFileError: A folder or the seal cannot be read.
        SealError, SafetyError: There is no valid seal; it is of a later format.
        WrongSiteError: It is another site's, or the folders are not of one bundle.
        TrustError: It says more than the format allows.
        ChainError, BundleAgeError, ClockError: It is to be imported and does not fit here.
    """
    if "" in folders:
        raise PathMissingError(what="the bundle's folder", path="")
    # Path.resolve raises errors of its own where the disk fails; this gives what could be resolved.
    paths = [run.media.path(os.path.realpath(folder)) for folder in folders]
    _list_neighbours(run, paths)
    opened = open_bundle(run.media, paths, bundle_trust(run.site))
    header = opened.header
    run.report.note(
        bundle=Path(paths[0].text),
        sequence=header.sequence,
        base=header.base.sequence if header.base else None,
        files=header.counts.carried_files,
        bytes=header.counts.carried_bytes,
    )
    if header.site != run.site.name:
        raise WrongSiteError(what=paths[0], found=header.site, expected=run.site.name)
    require_countable(header)
    verdict = _judge_first(run, opened) if to_import else None
    if verdict is not None:
        say_verdict(run, header.bundle, verdict)
    name = f"{header.bundle}-{opened.trusted.digest.short}"
    own = run.site.state_dir / ("imports" if to_import else "work") / name
    return IncomingBundle(opened, own, verdict)


def _list_neighbours(run: RunContext, bundles: list[HostPath]) -> None:
    """List what else lies on the media, beside the bundle's folder: by name, nothing is opened."""
    found: list[tuple[HostPath, FileStat]] = []
    for folder in sorted({bundle.parent for bundle in bundles}, key=lambda path: path.text):
        try:
            listed = Media(run.media).list_folder(folder)
        except HostFileError as error:  # we may pass through it and not list it, or it is too full
            run.report.lines.append(f"what lies beside the bundle is not shown: {error.message}")
            continue
        found += ((folder.joined(stat.name), stat) for stat in listed)
    others = [(path, stat) for path, stat in found if path not in bundles]
    if others:
        run.report.sections.append(neighbours_section(others))
        names = ", ".join(printable(path.name) for path, _ in others[:_NEIGHBOURS_NAMED])
        more = ", …" if len(others) > _NEIGHBOURS_NAMED else ""
        run.report.lines.append(f"beside the bundle lie, unopened: {names}{more}")


def _judge_first(run: RunContext, opened: OpenedBundle) -> ChainVerdict:
    """Judge a bundle; one that does not fit may meet a state folder that was lost or set back.

    The mark on the server shows that, and then no other bundle would help.
    """
    try:
        return _judge(run, opened)
    except ChainError as unfit:
        try:
            with suppress(FailedError, HostKeyError, SafetyError):  # nobody can ask the server now
                compare_mark(run)
        except ChainError as shown:
            reason = f"{unfit.message}; {shown.message}"
            raise ChainError(reason=reason, remedy=shown.next_step) from shown
        raise


def _judge(run: RunContext, opened: OpenedBundle) -> ChainVerdict:
    policy = ChainPolicy(
        max_age_days=run.site.trust.max_bundle_age_days,
        accept_gap=run.site.policy.on_gap == "accept",
    )
    return judge(opened.trusted, remember_chain(run), policy, now=run.clock())


def judge_again(run: RunContext, arrival: IncomingBundle) -> None:
    """Judge once more, now that the server is locked: until then another import may have ended.

    Raises:
        ChainError: The bundle does not fit any more.
        SafetyError: It fits in another way.
    """
    before, now = arrival.verdict, _judge(run, arrival.opened)
    if before is None or (now.kind, now.skipped, now.gap, now.is_newest) != (
        before.kind, before.skipped, before.gap, before.is_newest,
    ):  # fmt: skip
        raise SafetyError(
            reason=f"another import ended while {arrival.header.bundle} was being opened"
        )


def prove(run: RunContext, arrival: IncomingBundle) -> None:
    """Prove a whole bundle and change nothing; copies of its documents are removed again.

    Raises:
        TamperError, UndeclaredFileError, BundleIncompleteError, HostFileError: All that is wrong
            stands in the report.
        TrustError: What is sealed breaks the format.
    """
    folder = run.scratch / "verify"
    folder.mkdir()
    run.progress.start("Verify", total=arrival.header.counts.carried_bytes, unit="bytes")
    try:
        prove_bundle(arrival.opened, scratch=folder, progress=run.progress)
        refuse_faults(run, arrival)
        read_decisions_file(folder / APPROVALS)
    finally:
        run.progress.finish()
        shutil.rmtree(folder, ignore_errors=True)


def refuse_faults(run: RunContext, arrival: IncomingBundle) -> None:
    """List in the report all that is wrong on the media, and raise what it amounts to."""
    faults = arrival.opened.faults
    if faults or faults.recovered:
        run.report.sections.append(faults_section(faults))
    if faults.total > 1:
        run.report.lines.append(f"{faults.total} faults in all; the report lists them")
    if faults.recovered:
        run.report.lines.append(
            f"{len(faults.recovered)} files of one copy are missing or damaged and were taken from "
            f"another, first {faults.recovered[0].path}"
        )
    raise_for_faults(arrival.header.bundle, faults)


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


def remember_chain(run: RunContext) -> SiteMemory:
    """What this site remembers of its chain, from the ledger alone."""
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


def say_verdict(run: RunContext, bundle: str, verdict: ChainVerdict) -> None:
    """Say what a person should know of how the bundle fits the chain."""
    if (
        verdict.kind == "repair"
        and verdict.earlier_import is not None
        and verdict.earlier_import.done is not None
    ):
        run.report.lines.append(
            f"{bundle} was imported on {verdict.earlier_import.done:%Y-%m-%d %H:%M} UTC; "
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
