"""Rehearsal of an export: what the next bundle would carry, and what it needs of the media.

wsusutil is not started and no number is taken. So the size of the metadata package is that of the
last bundle, titles are those of the last package, and what an update of a newer package lacks is
told by the state that WSUS gives it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.approvals.model import Action, ApprovalSet, approved_revisions, write_time
from tasks.bundle.layout import APPROVALS
from tasks.bundle.manifest import compare_sorted
from tasks.bundle.plan import MediaLimits, PlannedFile, largest_file, plan_bundle, read_carry
from tasks.content.names import ContentName
from tasks.exporting import draft as drafts
from tasks.exporting.base import Base, choose_base
from tasks.exporting.request import ExportRequest
from tasks.inspection.brought import largest_bytes
from tasks.ledger.exports import ExportRecord, Exports
from tasks.metadata.audit import (
    REASON_TEXTS,
    MissingFile,
    MissingReason,
    find_missing,
    without_trace,
)
from tasks.metadata.catalogue import PackageIndex, RevisionRecord
from tasks.metadata.index import INDEX
from tasks.names import Mode
from tasks.reports.model import Fact
from tasks.reports.planned import PlanLine, missing_lines
from tasks.reports.sections import volumes_section
from tasks.revision import RevisionId
from tasks.run.context import RunContext
from tasks.run.rehearsal import require_plan, show_plan
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import is_readable, read_decisions_file, read_header_copy
from tasks.server.snapshot import ServerSnapshot


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """The next bundle as far as it is known before wsusutil has exported.

    Attributes:
        about: Sentences on which the plan rests: base, mode, or the bundle that is finished first.
        carry_folder: Folder of the plan with the files to carry (``read_carry``); None: there are
            none.
        decisions: Decisions that travel.
        folder: Our folder of the last bundle, for the titles; None without a readable one.
        mode: Mode of a new bundle.
        media_bytes: Upper limit of the bytes on the media; None if the bundle is there already.
    """

    about: tuple[str, ...]
    base: Base
    carry_folder: Path | None
    decisions: ApprovalSet
    folder: Path | None
    mode: Mode = Mode.INCREMENTAL
    media_bytes: int | None = None

    def carried(self) -> Iterator[PlannedFile]:
        """Yield the files to carry, with their volumes."""
        return iter(()) if self.carry_folder is None else read_carry(self.carry_folder)


def rehearse_export(run: RunContext, request: ExportRequest, snapshot: ServerSnapshot) -> None:
    """Show the whole plan of an export."""
    plan = _plan(run, request, snapshot)
    missing = _missing(run.report, plan, request, snapshot)
    gone = _gone(run.exports, plan, request, snapshot)
    free_bytes = run.media.space(run.media.path(str(run.site.media.path))).free_bytes
    about = [Fact(label="Plan", value=sentence) for sentence in plan.about]
    about += [
        Fact(label="Bytes on the media, at most", value=plan.media_bytes, kind="bytes"),
        Fact(label="Free on the medium", value=free_bytes, kind="bytes"),
    ]
    volumes = _volumes(plan.carried())
    lines = _lines(plan, gone, missing=missing)
    tally = show_plan(run, lines, about=lambda _: about, tables=[volumes_section(volumes)])
    run.report.details["media"] = {
        "volumes": len(volumes),
        "bytes": plan.media_bytes or 0,
    }
    run.report.note(files=tally.number_of("carry"), bytes=tally.size_of("carry"), missing=missing)
    if plan.media_bytes is not None:  # else an earlier bundle is the answer, with its own base
        run.report.note(base=plan.base.record.sequence if plan.base.record else None)
    run.report.lines += plan.about


def require_rehearsed_export(
    run: RunContext, request: ExportRequest, snapshot: ServerSnapshot
) -> None:
    """Require that the plan is the one that a person rehearsed, or that an earlier run began.

    Raises:
        PlanChangedError: It has become another.
    """
    if request.confirm is None or _is_begun(run, request, snapshot):
        return
    plan = _plan(run, request, snapshot)
    missing = _missing(run.report, plan, request, snapshot)
    gone = _gone(run.exports, plan, request, snapshot)
    require_plan(run, _lines(plan, gone, missing=missing), confirm=request.confirm)


def _is_begun(run: RunContext, request: ExportRequest, snapshot: ServerSnapshot) -> bool:
    """Return True if the newest bundle was begun, or made and answers still, by this digest."""
    newest = run.exports.newest()
    if newest is None:
        return False
    confirmed = run.ledger.steps(drafts.work_of(newest.sequence).text).confirmation
    if confirmed is None or confirmed.digest != request.confirm:
        return False
    is_open = newest.status in {"reserved", "committed"}
    return is_open or drafts.find_unchanged(run, newest, snapshot, request) is not None


def _plan(run: RunContext, request: ExportRequest, snapshot: ServerSnapshot) -> ExportPlan:
    newest = run.exports.newest()
    titles = _titles_folder(run.exports.newest_sealed())
    if newest is not None and newest.status == "committed":
        decisions = read_decisions_file(newest.folder / APPROVALS)
        about = f"bundle {newest.sequence} was begun and is finished as it was planned"
        return ExportPlan((about,), Base(), newest.folder, decisions, newest.folder)
    decisions = snapshot.decisions.approval_set
    if (
        newest is not None
        and newest.status == "sealed"
        and not request.new
        and drafts.find_unchanged(run, newest, snapshot, request) is not None
    ):
        about = f"nothing has changed: bundle {newest.sequence} is the answer"
        return ExportPlan((about,), Base(), None, decisions, titles)
    base = choose_base(run, request)
    folder = run.scratch / "plan"
    folder.mkdir(exist_ok=True)
    space = run.media.space(run.media.path(str(run.site.media.path)))
    limit = largest_file(run.site.media.max_file_bytes, space.file_system)
    plan = plan_bundle(
        snapshot.content,
        base.entries(run.exports, request),
        folder=folder,
        limits=MediaLimits(run.site.media.volume_bytes, limit),
        document_bytes=_document_bytes(titles, decisions),
    )
    mode = request.mode or run.site.policy.mode
    subtracted = base.identity or "none, everything is carried"
    about_base = f"bundle {base.record.sequence}" if base.record else subtracted
    return ExportPlan(
        about=(f"mode: {mode.value}", f"base: {about_base}"),
        base=base,
        carry_folder=folder,
        decisions=decisions,
        folder=titles,
        mode=mode,
        media_bytes=plan.media_bytes,
    )


def _document_bytes(folder: Path | None, decisions: ApprovalSet) -> int:
    """Return the room for the documents, as an export reserves it, from the last bundle."""
    header = None if folder is None else read_header_copy(folder)
    if folder is None or header is None:
        return 0
    with PackageIndex(folder / INDEX) as index:
        brings_bytes = largest_bytes(index, approved_revisions(decisions))
    return header.package.size_bytes + header.approvals.size_bytes + brings_bytes


def _titles_folder(record: ExportRecord | None) -> Path | None:
    return record.folder if record is not None and is_readable(record.folder / INDEX) else None


def _lines(
    plan: ExportPlan,
    gone: Iterator[tuple[ContentName, int]],
    *,
    missing: tuple[MissingFile, ...],
) -> Iterator[PlanLine]:
    yield from (PlanLine("about", reason=sentence) for sentence in plan.about)
    if plan.folder is None:
        yield from _named_lines(plan, gone, index=None)
    else:
        with PackageIndex(plan.folder / INDEX) as index:
            yield from _named_lines(plan, gone, index=index)
    yield from missing_lines(missing)


def _named_lines(
    plan: ExportPlan, gone: Iterator[tuple[ContentName, int]], *, index: PackageIndex | None
) -> Iterator[PlanLine]:
    for approval in plan.decisions.approvals:
        record = index.latest(approval.update_id) if index else None
        yield PlanLine(
            "block" if approval.action is Action.NOT_APPROVED else "approve",
            update_id=approval.update_id,
            revision=approval.revision,
            title=record.title if record else "",
            kb=record.kb if record else "",
            group=" / ".join(approval.group),
            action=approval.action.value,
            deadline=write_time(approval.deadline) or "",
            optional=approval.optional,
        )
    for decline in plan.decisions.declines:
        record = index.latest(decline.update_id) if index else None
        yield PlanLine(
            "decline",
            update_id=decline.update_id,
            revision=decline.revision,
            title=record.title if record else "",
            kb=record.kb if record else "",
        )
    for file in plan.carried():
        yield _file_line("carry", file.name, file.size_bytes, index)
    for name, size_bytes in gone:
        yield _file_line("delete", name, size_bytes, index)


def _file_line(
    kind: Literal["carry", "delete"], name: ContentName, size_bytes: int, index: PackageIndex | None
) -> PlanLine:
    owner: RevisionRecord | None = index.owner_of(name.digest) if index else None
    return PlanLine(
        kind,
        update_id=owner.update_id if owner else "",
        revision=owner.revision if owner else None,
        title=owner.title if owner else "",
        kb=owner.kb if owner else "",
        file=name.text,
        size_bytes=size_bytes,
    )


def _gone(
    exports: Exports, plan: ExportPlan, request: ExportRequest, snapshot: ServerSnapshot
) -> Iterator[tuple[ContentName, int]]:
    """Yield the files of the base that staging no longer has: a mirror deletes them there."""
    if plan.mode is not Mode.MIRROR:
        return
    pairs = compare_sorted(
        snapshot.content,
        plan.base.entries(exports, request),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    for pair in pairs:
        if pair.first is None and pair.second is not None:
            yield pair.second.name, pair.second.size_bytes


def _missing(
    report: ReportDraft, plan: ExportPlan, request: ExportRequest, snapshot: ServerSnapshot
) -> tuple[MissingFile, ...]:
    """Return what approved updates will lack there, and what of the shopping list is not here."""
    approved = approved_revisions(plan.decisions)
    files: list[MissingFile] = []
    indexed: set[RevisionId] = set()
    if plan.folder is not None:
        with PackageIndex(plan.folder / INDEX) as index:
            indexed = {key for key in approved if index.revision(*key) is not None}
            view = snapshot.content_view(provenance=without_trace)
            files += find_missing(index, sorted(indexed), view)
    reason = MissingReason.NEVER_DOWNLOADED
    text = REASON_TEXTS[reason]
    unready = [update.id for update in snapshot.decisions.unready() if update.id not in indexed]
    files += [
        MissingFile(
            update_id=key.update_id, revision=key.revision, title="", kb="", file=None,
            size_bytes=None, reason=reason, reason_text=text,
        )
        for key in unready
    ]  # fmt: skip
    lacking = [name for name in request.bring if snapshot.content.find(name.digest) is None]
    for name in lacking:
        report.notice(f"{name.text} of the shopping list is not on the staging server")
    return report.list_missing(files)


def _volumes(carried: Iterator[PlannedFile]) -> tuple[tuple[int, int, int], ...]:
    files: Counter[int] = Counter()
    size_bytes: Counter[int] = Counter()
    for file in carried:
        for piece in file.pieces:
            files[piece.volume] += 1
            size_bytes[piece.volume] += piece.size_bytes
    return tuple((number, files[number], size_bytes[number]) for number in sorted(files))
