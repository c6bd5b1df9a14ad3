"""The staging side of a crossing: the package, what is carried, the seal, what will be missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.model import approved_revisions, read_bounded
from tasks.bundle.carry import PackJob
from tasks.bundle.chain import CLOCK_TOLERANCE
from tasks.bundle.header import PACKAGE_LIMIT_BYTES, Counts, Header, StagingFacts, seal_header
from tasks.bundle.layout import APPROVALS, MANIFEST, PACKAGE
from tasks.bundle.lists import Documents
from tasks.bundle.manifest import read_entries
from tasks.bundle.pack import Packed, pack_bundle, publish_header, read_back
from tasks.bundle.plan import MediaLimits, Plan, largest_file, plan_bundle
from tasks.content.names import Blake3, ContentDigest
from tasks.crossing import wsusutil_run
from tasks.crossing.draft import (
    Draft,
    baseline_entries,
    reference,
    settle_seal,
)
from tasks.crossing.kept import PAYLOAD, kept_header
from tasks.crossing.listing import Listing
from tasks.crossing.mark import mark_of, write_mark
from tasks.crossing.trust import signing_key
from tasks.crossing.view import ServerView
from tasks.crossing.workplace import Workplace
from tasks.errors import FailedError, PackageError
from tasks.hosts.putting import put_file
from tasks.ledger.steps import Attempt, ExportedPackage
from tasks.metadata.audit import HeldFile, MissingFile, find_missing
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import INDEX, PackageSummary, index_package
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import PackageSignal, contradiction
from tasks.names import Side
from tasks.refusals import SafetyError
from tasks.version import VERSION

PRODUCT = f"wsus-airgap {VERSION}"
_PLAN = "plan.json"


# --- the package -------------------------------------------------------------------------------


def find_package(place: Workplace, draft: Draft, facts: ServerFacts) -> ExportedPackage | None:
    """The package that an earlier run of this export fetched, when it is still there and true."""
    found = place.ledger.steps(draft.work.text).package
    if found is None:
        return None
    here = wsusutil_run.digest_of(found.path)
    if here != found.blake3 or not (draft.folder / INDEX).is_file():
        return None
    if draft.is_committed:
        return found
    return found if found.counts == _counts(facts) and not facts.arrived_since else None


def export_package(
    place: Workplace, draft: Draft, facts: ServerFacts, decisions: ServerDecisions
) -> ExportedPackage:
    """Have wsusutil export the metadata, judge it by all signals, fetch and index the package.

    Raises:
        WsusutilError, ServiceDownError: It did not succeed; the next run starts another.
    """
    started = wsusutil_run.start_or_find(place, "export", work=draft.work)
    attempt = started.attempt
    ending = wsusutil_run.wait_for(place, attempt)
    target = draft.folder / PACKAGE
    signal, summary = _take_package(place, draft, attempt)
    if summary is not None:
        approved = (each.update_id for each in decisions.decisions.approvals)
        with PackageIndex(draft.folder / INDEX) as index:
            signal = replace(signal, problem=contradiction(index, facts, approved))
    judgement = wsusutil_run.judge(place, attempt, ending, signal, before=facts)
    wsusutil_run.forget(place, attempt, work=draft.work.text)
    if wsusutil_run.is_old_failure(place, started, judgement):
        return export_package(place, draft, facts, decisions)
    wsusutil_run.require_success(place, attempt, judgement)
    if summary is None:  # a judgement that saw success saw it
        raise PackageError(path=target, reason="it was not read")
    exported = ExportedPackage(
        path=target,
        blake3=summary.blake3,
        size_bytes=summary.package_bytes,
        revisions=summary.revisions,
        counts=_counts(facts),
    )
    # Not before: the package bears witness that this is the server's id.
    place.ledger.adopt_server(Side.STAGING, facts.server_id)
    place.ledger.steps(draft.work.text).finish_package(exported, now=place.clock())
    return exported


def _take_package(
    place: Workplace, draft: Draft, attempt: Attempt
) -> tuple[PackageSignal, PackageSummary | None]:
    """Fetch what wsusutil wrote and read it to its end; what is wrong with it is its signal."""
    target = draft.folder / PACKAGE
    try:
        fetched = wsusutil_run.fetch_package(place, place.server.path(attempt.package), target)
        if fetched is None or fetched == 0:
            return PackageSignal(fetched), None
        summary = _index_package(place, draft, size_bytes=fetched)
    except PackageError as error:
        return PackageSignal(None, problem=str(error.facts.get("reason", error))), None
    return PackageSignal(fetched, summary.revisions), summary


def _index_package(place: Workplace, draft: Draft, *, size_bytes: int) -> PackageSummary:
    place.progress.start("Read package", total=size_bytes, unit="bytes")
    try:
        return index_package(draft.folder / PACKAGE, draft.folder / INDEX, progress=place.progress)
    finally:
        place.progress.finish()


def _counts(facts: ServerFacts) -> tuple[int, int, int]:
    return facts.update_count, facts.declined_count, facts.approved_count


# --- plan, pack, seal ---------------------------------------------------------------------------


def write_approvals(draft: Draft, decisions: ServerDecisions) -> None:
    """Write the decisions that travel; those of a committed draft stay as they were.

    Raises:
        SafetyError: They are more than the format of bundles allows.
    """
    path = draft.folder / APPROVALS
    if not (draft.is_committed and path.is_file()):
        with path.open("wb") as stream:
            stream.writelines(decisions.decisions.encoded())
        _require_carriable(path)


def _require_carriable(path: Path) -> None:
    """See that another side will take what was decided here.

    Raises:
        SafetyError: It is more than the format of bundles allows.
    """
    try:
        with path.open("rb") as stream:
            for _ in read_bounded(stream):
                pass
    except ValueError as error:
        raise SafetyError(
            reason=f"the staging server has decided more than a bundle can say: {error}",
            remedy="Take back what nobody needs there: have WSUS clean up superseded updates, and "
            "remove target groups that are not used.",
        ) from error


def plan_content(
    place: Workplace, draft: Draft, content: Listing, package: ExportedPackage
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
    media = place.media.path(str(place.site.media.path))
    space = place.media.space(media)
    plan = plan_bundle(
        content,
        baseline_entries(place, draft),
        folder=draft.folder,
        limits=MediaLimits(
            place.site.media.volume_bytes,
            largest_file(place.site.media.max_file_bytes, space.file_system),
        ),
        document_bytes=package.size_bytes + (draft.folder / APPROVALS).stat().st_size,
    )
    path.write_text(plan.model_dump_json(), encoding="utf-8")
    return plan


def _pack_job(place: Workplace, draft: Draft, content: Listing) -> PackJob:
    """From where to where this bundle is packed."""
    return PackJob(
        server=place.server,
        content_dir=content.content_dir,
        media=place.media,
        bundle=place.media.path(str(draft.bundle)),
        folder=draft.folder,
    )


def pack(
    place: Workplace, draft: Draft, content: Listing, *, plan: Plan, package: ExportedPackage
) -> Packed:
    """Write content, lists and documents onto the media; read them back if the site wants it."""
    job = _pack_job(place, draft, content)
    documents = Documents(package.path, draft.folder / APPROVALS)
    place.progress.start("Pack", total=plan.carried_bytes, unit="bytes")
    try:
        packed = pack_bundle(
            job, plan, documents, place.hashes, now=place.clock(), progress=place.progress
        )
    finally:
        place.progress.finish()
    if place.site.media.read_back:
        place.progress.start("Read back", total=plan.carried_bytes, unit="bytes")
        try:
            done = read_back(job, progress=place.progress)
            place.lines.append(f"read back {done.files} files from the media: {done.method}")
        finally:
            place.progress.finish()
    return packed


def seal(place: Workplace, draft: Draft, packed: Packed, facts: ServerFacts) -> Blake3:
    """Commit sequence, digest and place, then write the seal; gives the header's digest.

    Raises:
        FailedError: A header was committed before and is lost, or what lies there now is not what
            it names; the number is given up.
    """
    record = place.exports.by_sequence(draft.sequence)
    is_committed = record is not None and record.status == "committed"
    committed = kept_header(draft.folder) if is_committed else None
    created = committed.created if committed else time_of_making(place)
    header = _header(place, draft, packed, facts, created=created)
    if is_committed and (
        committed is None or header.model_copy(update={"server": committed.server}) != committed
    ):
        place.exports.void(draft.sequence)
        raise FailedError(
            reason=f"bundle {draft.sequence} can no longer be made as it was committed; "
            "its number is given up, and the next run makes another"
        )
    header = committed or header
    _keep(place, draft, header)
    place.exports.commit(draft.sequence, header_digest=header.digest, fingerprint=draft.fingerprint)
    write_mark(place, mark_of(header))
    bundle = place.media.path(str(draft.bundle))
    content = seal_header(header, [signing_key(place.site)])
    publish_header(place.media, bundle, content, volumes=len(packed.volumes))
    settle_seal(place, header)
    return header.digest


def time_of_making(place: Workplace) -> datetime:
    """The clock's time, but never before what was made last: the clock never runs backwards.

    Unless that was made more than a day ahead of the clock and nothing says that it was imported:
    then the clock was wrong, that bundle is refused over there, and so would be all after it.
    """
    now = place.clock()
    latest = place.ledger.latest_time(now)
    if latest - now <= CLOCK_TOLERANCE:
        return latest
    place.alarm(
        f"the clock says {now:%Y-%m-%d}, and an earlier bundle was made {latest:%Y-%m-%d}: one of "
        "the two is wrong, and the other side refuses bundles from the future"
    )
    imported = None if place.site.policy.baseline == "sent" else place.exports.baseline()
    if imported is not None and now < imported.created:
        return latest
    place.ledger.replace_time(now)
    return now


def _keep(place: Workplace, draft: Draft, header: Header) -> None:
    """Have what a committed bundle is made of outlive a power loss, before it is committed."""
    folder = place.media.path(str(draft.folder))
    put_file(place.media, folder.joined(PAYLOAD), [header.payload()])
    found = place.media.list_folder(folder)
    files = [folder.joined(stat.name) for stat in found if stat.kind == "file"]
    place.media.flush_files(files).require_all()
    place.media.flush_folders([folder.parent, folder.parent.parent])


def _header(
    place: Workplace, draft: Draft, packed: Packed, facts: ServerFacts, *, created: datetime
) -> Header:
    decisions = _counted(draft.folder / APPROVALS)
    return Header(
        product=PRODUCT,
        site=place.site.name,
        chain=draft.chain,
        sequence=draft.sequence,
        parent=reference(place, draft.parent),
        base=reference(place, draft.base),
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


def predict_missing(place: Workplace, draft: Draft, view: ServerView) -> tuple[MissingFile, ...]:
    """Name what approved updates will lack over there, before the trip.

    A file that lies on the staging server and not in the manifest was read and found wrong.
    """
    manifest = place.holdings(read_entries(draft.folder / MANIFEST))

    def held(digest: ContentDigest) -> HeldFile | None:
        found = view.content.held(digest)
        return found if found is None or manifest.has(digest) else replace(found, is_valid=False)

    with PackageIndex(draft.folder / INDEX) as index:
        wanted = approved_revisions(view.decisions.decisions)
        return tuple(find_missing(index, wanted, view.content_view(held=held)))
