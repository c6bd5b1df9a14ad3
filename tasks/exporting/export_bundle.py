"""Bundle of an export: plan its content, pack it onto the media, and seal it."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import ApprovalSet, read_bounded
from tasks.bundle.carry import PackJob
from tasks.bundle.chain import CLOCK_TOLERANCE
from tasks.bundle.checksum_files import Documents
from tasks.bundle.header import (
    FORMAT_VERSION,
    PACKAGE_LIMIT_BYTES,
    BundleReference,
    Counts,
    Header,
    StagingFacts,
    seal_header,
)
from tasks.bundle.layout import APPROVALS, CONTENT, volume_folder
from tasks.bundle.manifest import read_entries
from tasks.bundle.pack import Packed, pack_bundle, publish_header, read_back
from tasks.bundle.plan import MediaLimits, Plan, fill_digests, largest_file, plan_bundle
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.content.scan import present_bytes
from tasks.custody import custody_head
from tasks.errors import FailedError, PathMissingError
from tasks.exporting.base import Base
from tasks.exporting.brings_out import largest_brings_bytes, write_brings_of
from tasks.exporting.draft import Draft, record_seal
from tasks.exporting.request import NO_REQUEST, ExportRequest
from tasks.hosts.host import Host
from tasks.hosts.small_files import write_atomic
from tasks.ledger.exports import ExportRecord, Exports
from tasks.ledger.steps import ExportedPackage
from tasks.metadata.server import ServerFacts
from tasks.quantities import size
from tasks.refusals import SafetyError
from tasks.run.context import RunContext
from tasks.run.keys import signing_key
from tasks.run.stored_documents import PAYLOAD, read_header_copy
from tasks.server.mark import mark_of, write_mark
from tasks.site.settings import Site
from tasks.version import VERSION

PRODUCT = f"wsus-airgap {VERSION}"
_PLAN = "plan.json"


def require_media(path: Path) -> None:
    """Require the folder of the medium.

    Raises:
        PathMissingError: The medium is not mounted, or the path is wrong.
    """
    if not path.is_dir():
        raise PathMissingError(what="the medium (media.path)", path=path)


def write_approvals(draft: Draft, decisions: ServerDecisions) -> None:
    """Write the staging server's decisions into the draft; a committed draft keeps its own.

    Raises:
        SafetyError: There are more decisions than the bundle format allows.
    """
    path = draft.folder / APPROVALS
    if not (draft.is_committed and path.is_file()):
        with path.open("wb") as stream:
            stream.writelines(decisions.approval_set.encoded())
        _require_carriable(path)


def _require_carriable(path: Path) -> None:
    """Require that the disconnected side will accept the file of decisions.

    Raises:
        SafetyError: There are more decisions than the bundle format allows.
    """
    try:
        with path.open("rb") as stream:
            ApprovalSet.from_lines(read_bounded(stream))  # as the other side reads it
    except ValueError as error:
        raise SafetyError(
            reason=f"the staging server has decided more than a bundle can say: {error}",
            remedy="Take back what nobody needs there: have WSUS clean up superseded updates, and "
            "remove target groups that are not used.",
        ) from error


def plan_content(
    run: RunContext,
    draft: Draft,
    content: ContentListing,
    package: ExportedPackage,
    *,
    request: ExportRequest = NO_REQUEST,
) -> Plan:
    """Plan the content that the bundle carries; a committed draft keeps its plan.

    Raises:
        SafetyError: Content or package is larger than the bundle format or the medium allows.
    """
    path = draft.folder / _PLAN
    if draft.is_committed and path.is_file():
        if _is_sealed_before(run.exports, draft):
            fill_digests(draft.folder, read_entries(draft.manifest))
        return Plan.model_validate_json(path.read_bytes())
    if package.size_bytes > PACKAGE_LIMIT_BYTES:
        raise SafetyError(
            reason=f"the metadata package has {size(package.size_bytes)}, a bundle carries at most "
            f"{size(PACKAGE_LIMIT_BYTES)}",
            remedy="Have the staging server synchronise fewer products and classifications.",
        )
    media = run.media.path(str(run.site.media.path))
    space = run.media.space(media)
    if space.free_bytes is None:
        run.report.notice(
            "the medium's file system does not report its free space; the export is tried, and "
            "stops with disk-full if the medium is too small"
        )
    plan = plan_bundle(
        content,
        _base_of(run.exports, draft).entries(run.exports, request),
        folder=draft.folder,
        limits=MediaLimits(
            run.site.media.volume_bytes,
            largest_file(run.site.media.max_file_bytes, space.file_system),
        ),
        document_bytes=package.size_bytes
        + (draft.folder / APPROVALS).stat().st_size
        + largest_brings_bytes(draft),
    )
    path.write_text(plan.model_dump_json(), encoding="utf-8")
    return plan


def _is_sealed_before(exports: Exports, draft: Draft) -> bool:
    record = exports.by_sequence(draft.sequence)
    return record is not None and record.status == "sealed"


def pack(
    run: RunContext,
    draft: Draft,
    content: ContentListing,
    *,
    plan: Plan,
    package: ExportedPackage,
    decisions: ServerDecisions,
) -> Packed:
    """Write content, lists and documents onto the media, without the seal.

    ``decisions`` say which updates were published on the staging server. With ``media.read_back``
    of the site file, all of it is read back and compared.

    Raises:
        RoomError: The medium has less room than the plan needs.
        SafetyError: A foreign file lies in the bundle's folder.
        BatchFailedError: Too many files could not be read, or the media give back other bytes.
    """
    job = PackJob(
        server=run.server,
        content_dir=content.content_dir,
        media=run.media,
        bundle=run.media.path(str(draft.bundle)),
        folder=draft.folder,
    )
    documents = Documents(
        package.path,
        draft.folder / APPROVALS,
        partial(write_brings_of, run.exports, draft, decisions=decisions),
    )
    resumed_at = min(plan.carried_bytes, _packed_bytes(job, plan.volumes))
    run.progress.start("Pack", total=plan.carried_bytes, unit="bytes", resumed_at=resumed_at)
    try:
        packed = pack_bundle(
            job, plan, documents, run.hash_cache, now=run.clock(), progress=run.progress
        )
    finally:
        run.progress.finish()
    if run.site.media.read_back:
        run.progress.start("Read back", total=plan.carried_bytes, unit="bytes")
        try:
            done = read_back(job, progress=run.progress)
            run.report.lines.append(f"read back {done.files} files from the media: {done.method}")
        finally:
            run.progress.finish()
    return packed


def _packed_bytes(job: PackJob, volumes: int) -> int:
    """Return the bytes that an earlier run has packed under their final names; parts aside."""
    folders = (volume_folder(job.bundle, volume + 1).joined(CONTENT) for volume in range(volumes))
    return sum(present_bytes(job.media, folder) for folder in folders)


def seal(run: RunContext, draft: Draft, packed: Packed, facts: ServerFacts) -> Blake3:
    """Commit sequence, header digest and mark, then write the seal; return the header's digest.

    Raises:
        FailedError: A header was committed before and is lost, or the packed content differs from
            it. The sequence number is voided.
    """
    record = run.exports.by_sequence(draft.sequence)
    is_committed = record is not None and record.status in {"committed", "sealed"}
    committed = read_header_copy(draft.folder) if is_committed else None
    created = committed.created if committed else time_of_making(run)
    header = _header(run.site, run.exports, draft, packed, facts=facts, created=created)
    if is_committed and (
        committed is None or header.model_copy(update={"server": committed.server}) != committed
    ):
        _give_up(run.exports, record, draft)
        raise FailedError(
            reason=f"bundle {draft.sequence} can no longer be made as it was committed; "
            "its number is given up, and the next run makes another"
        )
    header = committed or header
    _make_durable(run.media, draft, header)
    if record is None or record.status != "sealed":  # else volumes of it are made again
        run.exports.commit(
            draft.sequence, header_digest=header.digest, fingerprint=draft.fingerprint
        )
    write_mark(run.server, run.folders.mark, mark_of(header, custody_head(run.ledger)))
    bundle = run.media.path(str(draft.bundle))
    content = seal_header(header, [signing_key(run.site)])
    publish_header(run.media, bundle, content, volumes=len(packed.volumes))
    record_seal(run, header)
    return header.digest


def _give_up(exports: Exports, record: ExportRecord | None, draft: Draft) -> None:
    """Void the number of a bundle that was never sealed.

    Raises:
        FailedError: It was sealed, and volumes of it cannot be made as they were.
    """
    if record is None or record.status != "sealed":
        exports.void(draft.sequence)
        return
    raise FailedError(
        reason=f"the lost volumes of bundle {draft.sequence} can no longer be made as they were",
        remedy="Export with --new: the next bundle takes its place.",
    )


def time_of_making(run: RunContext) -> datetime:
    """Return the clock's time, but never a time before the newest bundle.

    One exception: the newest bundle was made more than a day ahead of the clock, and no receipt
    shows that it was imported. Then the clock was wrong at that time; the other side refuses that
    bundle, and would refuse all bundles after it too.
    """
    now = run.clock()
    latest = run.ledger.latest_time(now)
    if latest - now <= CLOCK_TOLERANCE:
        return latest
    run.report.notice(
        f"the clock says {now:%Y-%m-%d}, and an earlier bundle was made {latest:%Y-%m-%d}: one of "
        "the two is wrong, and the other side refuses bundles from the future"
    )
    imported = None if run.site.policy.baseline == "sent" else run.exports.baseline()
    if imported is not None and now < imported.created:
        return latest
    run.ledger.replace_time(now)
    return now


def _make_durable(media: Host, draft: Draft, header: Header) -> None:
    """Write the header and flush the draft's files, so that a commit outlives a power loss."""
    folder = media.path(str(draft.folder))
    write_atomic(media, folder.joined(PAYLOAD), [header.payload()])
    stats = media.list_folder(folder)
    files = [folder.joined(stat.name) for stat in stats if stat.kind == "file"]
    media.flush_files(files).require_all()
    media.flush_folders([folder.parent, folder.parent.parent])


def _header(
    site: Site,
    exports: Exports,
    draft: Draft,
    packed: Packed,
    *,
    facts: ServerFacts,
    created: datetime,
) -> Header:
    approvals, declines = _count_decisions(draft.folder / APPROVALS)
    return Header(
        format=1 if packed.brings is None else FORMAT_VERSION,
        product=PRODUCT,
        site=site.name,
        chain=draft.chain,
        sequence=draft.sequence,
        parent=_reference(exports, draft.parent),
        base=_reference(exports, draft.base),
        voided=draft.voided,
        created=created,
        mode=draft.mode,
        server=StagingFacts(
            id=facts.server_id,
            version=facts.version,
            protocol_version=facts.protocol_version,
            languages=tuple(sorted(facts.languages)),
            all_languages=facts.all_languages,
            download_express=facts.download_express,
            download_as_needed=facts.download_as_needed,
            host_binaries_on_microsoft_update=facts.host_binaries_on_microsoft_update,
            update_count=facts.update_count,
            approved_count=facts.approved_count,
            declined_count=facts.declined_count,
        ),
        counts=Counts(
            files=packed.manifest.files,
            size_bytes=packed.manifest.size_bytes,
            carried_files=packed.manifest.carried_files,
            carried_bytes=packed.manifest.carried_bytes,
            approvals=approvals,
            declines=declines,
        ),
        manifest=packed.manifest.binding,
        package=packed.package,
        approvals=packed.approvals,
        brings=packed.brings,
        volumes=packed.volumes,
    )


def _reference(exports: Exports, sequence: int | None) -> BundleReference | None:
    """Name an earlier bundle of the chain by number and digest; None when there is none."""
    record = None if sequence is None else exports.by_sequence(sequence)
    if record is None or record.header_digest is None:
        return None
    return BundleReference(sequence=record.sequence, digest=record.header_digest)


def _base_of(exports: Exports, draft: Draft) -> Base:
    record = None if draft.base is None else exports.by_sequence(draft.base)
    return Base(record=record, inventory=draft.inventory)


def _count_decisions(path: Path) -> tuple[int, int]:
    approvals = declines = 0
    with path.open("rb") as lines:
        for line in lines:
            approvals += line.startswith(b'{"kind":"approval"')
            declines += line.startswith(b'{"kind":"decline"')
    return approvals, declines
