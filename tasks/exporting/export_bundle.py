"""The staging side of a crossing: the package, what is carried, the seal, what will be missing."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import ApprovalSet, read_bounded
from tasks.bundle.carry import PackJob
from tasks.bundle.chain import CLOCK_TOLERANCE
from tasks.bundle.checksum_files import Documents
from tasks.bundle.header import PACKAGE_LIMIT_BYTES, Counts, Header, StagingFacts, seal_header
from tasks.bundle.layout import APPROVALS
from tasks.bundle.pack import Packed, pack_bundle, publish_header, read_back
from tasks.bundle.plan import MediaLimits, Plan, largest_file, plan_bundle
from tasks.content.content_listing import ContentListing
from tasks.content.names import Blake3
from tasks.errors import FailedError, PathMissingError
from tasks.exporting.draft import (
    Draft,
    baseline_entries,
    record_seal,
    reference,
)
from tasks.hosts.small_files import write_atomic
from tasks.ledger.steps import ExportedPackage
from tasks.metadata.server import ServerFacts
from tasks.refusals import SafetyError
from tasks.run.context import RunContext
from tasks.run.keys import signing_key
from tasks.run.stored_documents import PAYLOAD, read_header_copy
from tasks.server.mark import mark_of, write_mark
from tasks.version import VERSION

PRODUCT = f"wsus-airgap {VERSION}"
_PLAN = "plan.json"


# --- the package -------------------------------------------------------------------------------


# --- plan, pack, seal ---------------------------------------------------------------------------


def require_media(path: Path) -> None:
    """Require a medium to write on.

    Raises:
        PathMissingError: It is not mounted, or the path is wrong.
    """
    if not path.is_dir():
        raise PathMissingError(what="the medium (media.path)", path=path)


def write_approvals(draft: Draft, decisions: ServerDecisions) -> None:
    """Write the decisions that travel; those of a committed draft stay as they were.

    Raises:
        SafetyError: They are more than the format of bundles allows.
    """
    path = draft.folder / APPROVALS
    if not (draft.is_committed and path.is_file()):
        with path.open("wb") as stream:
            stream.writelines(decisions.approval_set.encoded())
        _require_carriable(path)


def _require_carriable(path: Path) -> None:
    """See that another side will take what was decided here.

    Raises:
        SafetyError: It is more than the format of bundles allows.
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
    run: RunContext, draft: Draft, content: ContentListing, package: ExportedPackage
) -> Plan:
    """Decide what the bundle carries; a committed draft keeps its plan.

    Raises:
        RoomError: The medium has less room than the plan needs.
        SafetyError: Content or package is more than the format of bundles allows.
    """
    path = draft.folder / _PLAN
    if draft.is_committed and path.is_file():
        return Plan.model_validate_json(path.read_bytes())
    if package.size_bytes > PACKAGE_LIMIT_BYTES:
        raise SafetyError(
            reason=f"the metadata package has {package.size_bytes} bytes, a bundle carries at most "
            f"{PACKAGE_LIMIT_BYTES}",
            remedy="Have the staging server synchronise fewer products and classifications.",
        )
    media = run.media.path(str(run.site.media.path))
    space = run.media.space(media)
    plan = plan_bundle(
        content,
        baseline_entries(run, draft),
        folder=draft.folder,
        limits=MediaLimits(
            run.site.media.volume_bytes,
            largest_file(run.site.media.max_file_bytes, space.file_system),
        ),
        document_bytes=package.size_bytes + (draft.folder / APPROVALS).stat().st_size,
    )
    path.write_text(plan.model_dump_json(), encoding="utf-8")
    return plan


def _pack_job(run: RunContext, draft: Draft, content: ContentListing) -> PackJob:
    """From where to where this bundle is packed."""
    return PackJob(
        server=run.server,
        content_dir=content.content_dir,
        media=run.media,
        bundle=run.media.path(str(draft.bundle)),
        folder=draft.folder,
    )


def pack(
    run: RunContext, draft: Draft, content: ContentListing, *, plan: Plan, package: ExportedPackage
) -> Packed:
    """Write content, lists and documents onto the media; read them back if the site wants it."""
    job = _pack_job(run, draft, content)
    documents = Documents(package.path, draft.folder / APPROVALS)
    run.progress.start("Pack", total=plan.carried_bytes, unit="bytes")
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


def seal(run: RunContext, draft: Draft, packed: Packed, facts: ServerFacts) -> Blake3:
    """Commit sequence, digest and place, then write the seal; gives the header's digest.

    Raises:
        FailedError: A header was committed before and is lost, or what lies there now is not what
            it names; the number is given up.
    """
    record = run.exports.by_sequence(draft.sequence)
    is_committed = record is not None and record.status == "committed"
    committed = read_header_copy(draft.folder) if is_committed else None
    created = committed.created if committed else time_of_making(run)
    header = _header(run, draft, packed, facts, created=created)
    if is_committed and (
        committed is None or header.model_copy(update={"server": committed.server}) != committed
    ):
        run.exports.void(draft.sequence)
        raise FailedError(
            reason=f"bundle {draft.sequence} can no longer be made as it was committed; "
            "its number is given up, and the next run makes another"
        )
    header = committed or header
    _keep(run, draft, header)
    run.exports.commit(draft.sequence, header_digest=header.digest, fingerprint=draft.fingerprint)
    write_mark(run, mark_of(header))
    bundle = run.media.path(str(draft.bundle))
    content = seal_header(header, [signing_key(run.site)])
    publish_header(run.media, bundle, content, volumes=len(packed.volumes))
    record_seal(run, header)
    return header.digest


def time_of_making(run: RunContext) -> datetime:
    """The clock's time, but never before what was made last: the clock never runs backwards.

    Unless that was made more than a day ahead of the clock and nothing says that it was imported:
    then the clock was wrong, that bundle is refused over there, and so would be all after it.
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


def _keep(run: RunContext, draft: Draft, header: Header) -> None:
    """Have what a committed bundle is made of outlive a power loss, before it is committed."""
    folder = run.media.path(str(draft.folder))
    write_atomic(run.media, folder.joined(PAYLOAD), [header.payload()])
    found = run.media.list_folder(folder)
    files = [folder.joined(stat.name) for stat in found if stat.kind == "file"]
    run.media.flush_files(files).require_all()
    run.media.flush_folders([folder.parent, folder.parent.parent])


def _header(
    run: RunContext, draft: Draft, packed: Packed, facts: ServerFacts, *, created: datetime
) -> Header:
    decisions = _counted(draft.folder / APPROVALS)
    return Header(
        product=PRODUCT,
        site=run.site.name,
        chain=draft.chain,
        sequence=draft.sequence,
        parent=reference(run, draft.parent),
        base=reference(run, draft.base),
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
            approvals=decisions[0],
            declines=decisions[1],
        ),
        manifest=packed.manifest.binding,
        package=packed.package,
        approvals=packed.approvals,
        volumes=packed.volumes,
    )


def _counted(path: Path) -> tuple[int, int]:
    approvals = declines = 0
    with path.open("rb") as lines:
        for line in lines:
            approvals += line.startswith(b'{"kind":"approval"')
            declines += line.startswith(b'{"kind":"decline"')
    return approvals, declines


# --- what will be missing ---------------------------------------------------------------------
