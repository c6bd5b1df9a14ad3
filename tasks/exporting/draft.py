"""The bundle that an export is about: a new one, an unfinished one, or the sealed one.

A sequence number never gets other bytes. An unfinished export goes on under its number;
``export_bundle.seal`` gives the number up if the committed header can no longer be made. If the
last bundle is whole and nothing changed since, the export returns it instead of making another.
``open_draft`` starts from the newest record of the ledger:

=========  ========================================================  ==============================
record     condition                                                 the export
=========  ========================================================  ==============================
none                                                                 reserves the next number
reserved   server or medium show a bundle with this number or above  voids it, reserves the next
reserved   otherwise                                                 continues it, on today's base
committed  our seal of it lies on the media                          records it as sealed: see there
committed  otherwise                                                 continues it as committed
sealed     not ``new``, nothing changed, and whole on the media      returns this bundle
sealed     not ``new``, nothing changed, and whole volumes of it      makes these volumes again,
           are gone from the media                                   as they were sealed
sealed     otherwise                                                 reserves the next number
void                                                                 reserves the next number
=========  ========================================================  ==============================

The next number is one that the ledger, the mark on the server and the medium all show as free.
"""

from __future__ import annotations

import re
from pathlib import Path

from blake3 import blake3
from pydantic import BaseModel, ConfigDict

from tasks.bundle.canonical import canonical_json
from tasks.bundle.header import Header, read_header, verify_header
from tasks.bundle.layout import HEADER, MANIFEST, bundle_name, volume_folder
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.errors import AirGapError
from tasks.exporting.answer import find_answer, find_lost_volumes
from tasks.exporting.base import Base, bases_for_comparison, choose_base
from tasks.exporting.request import ExportRequest
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.ledger.exports import ExportRecord, Exports
from tasks.ledger.inventories import InventoryRecord
from tasks.ledger.work_id import WorkId
from tasks.names import Mode
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.run.keys import own_trust
from tasks.server.cleanup import drop_old_packages, remove_work
from tasks.server.mark import highest_marked
from tasks.server.snapshot import ServerSnapshot
from tasks.site.settings import Site


class Draft(BaseModel):
    """A bundle in the making, or the finished one that the export returns.

    Attributes:
        sequence: Number of the bundle in its chain.
        folder: Our own folder of this bundle: package, index, plan, manifest.
        bundle: The bundle's folder on the media.
        chain: Id of the site's line of bundles.
        parent: Number of the bundle sealed before; None: there is none.
        base: Number of the bundle whose holdings are subtracted; None: there is none.
        inventory: Inventory of the disconnected side that is subtracted instead; None: there is
            none, or the plan of a committed bundle has counted on it.
        voided: Numbers after the parent that were reserved and then given up.
        fingerprint: Digest of the server's state, base and mode; equal if nothing changed.
        is_sealed: True if it lies whole on the media; nothing is left to do.
        is_committed: True if its header was built and committed; the seal may be missing.
    """

    model_config = ConfigDict(frozen=True)

    sequence: int
    folder: Path
    bundle: Path
    mode: Mode
    chain: str
    parent: int | None
    base: int | None
    inventory: InventoryRecord | None = None
    voided: tuple[int, ...]
    fingerprint: str
    is_sealed: bool = False
    is_committed: bool = False

    @property
    def work(self) -> WorkId:
        """Name under which the ledger keeps this bundle's steps.

        Its folder on the server has the same name.
        """
        return work_of(self.sequence)

    @property
    def manifest(self) -> Path:
        """Our copy of the manifest, once the bundle is packed."""
        return self.folder / MANIFEST


def open_draft(run: RunContext, snapshot: ServerSnapshot, request: ExportRequest) -> Draft:
    """Find or begin the bundle that this export works on; the module docstring has the table.

    Args:
        run: The run.
        snapshot: The staging server at this moment.
        request: What a person asks of this export.

    Raises:
        UsageError: The bundle that a person named as base cannot be one.
        ServerUnfitError: The mark on the server, which bounds the next number, cannot be read.
    """
    mode = request.mode or run.site.policy.mode
    newest = run.exports.newest()
    if newest is not None and newest.status == "committed":
        newest = _adopt_seal(run, newest)
    if newest is not None and newest.status == "committed":
        return _draft(run.exports, run.site, newest, is_committed=True)
    newest = _void_if_made(run, newest)
    if newest is not None and newest.status == "sealed" and not request.new:
        header = find_unchanged(run, newest, snapshot, request)
        if header is not None:
            record_seal(run, header)
            return _draft(run.exports, run.site, newest, is_sealed=True)
        if _lacks_volumes(run, newest, snapshot, request):
            return _draft(run.exports, run.site, newest, is_committed=True)
    base = choose_base(run, request)
    if newest is not None and newest.status == "reserved":
        run.exports.rebase(newest.sequence, mode=mode, base_digest=base.digest)
        record = run.exports.newest() or newest
    else:
        record = _reserve(run, mode, base)
    fingerprint = _fingerprint(snapshot, base, request, mode)
    draft = _draft(run.exports, run.site, record, fingerprint=fingerprint)
    return draft.model_copy(update={"inventory": base.inventory})


def find_unchanged(
    run: RunContext, newest: ExportRecord, snapshot: ServerSnapshot, request: ExportRequest
) -> Header | None:
    """Return the header of a sealed bundle if nothing has changed since; else None."""
    mode = request.mode or run.site.policy.mode
    for base in bases_for_comparison(run, newest, request):
        fingerprint = _fingerprint(snapshot, base, request, mode)
        header = find_answer(run, newest, snapshot, fingerprint)
        if header is not None:
            return header
    return None


def _lacks_volumes(
    run: RunContext, newest: ExportRecord, snapshot: ServerSnapshot, request: ExportRequest
) -> bool:
    """Return True if whole volumes of a sealed bundle are gone, and can be made as they were."""
    mode = request.mode or run.site.policy.mode
    fingerprints = {
        _fingerprint(snapshot, base, request, mode)
        for base in bases_for_comparison(run, newest, request)
    }
    if newest.fingerprint not in fingerprints or snapshot.facts.arrived_since:
        return False
    gone = find_lost_volumes(run.media, run.site, newest)
    if gone:
        numbers = ", ".join(map(str, gone))
        run.report.lines.append(
            f"volume {numbers} of {newest.bundle.name} is not on the medium and is made again, "
            "under the same seal; the other volumes stay valid"
        )
    return bool(gone)


def unfinished_work(exports: Exports) -> WorkId | None:
    """Return the piece of work that the next export continues; None if it begins another."""
    newest = exports.newest()
    if newest is None or newest.status not in {"reserved", "committed"}:
        return None
    return work_of(newest.sequence)


def record_seal(run: RunContext, header: Header) -> None:
    """Record that a bundle is sealed; remove its work folder and the packages of older bundles.

    With ``baseline = "sent"`` the bundle becomes the baseline. If the run is killed here, the next
    export repeats this.
    """
    sequence = header.sequence
    record = run.exports.by_sequence(sequence)
    if record is None:
        return
    if record.status != "sealed":
        counts = header.counts
        record_event(  # before the ledger's note: a kill between may say it twice, never not at all
            run,
            "sealed",
            f"{counts.carried_files} files, {counts.carried_bytes} bytes, {counts.approvals} "
            f"approvals, {len(header.volumes)} volumes, on {record.bundle}",
            bundle=header.bundle,
            digest=header.digest.hex,
        )
        run.exports.mark_sealed(sequence, now=run.clock())
    run.ledger.note_time(header.created)
    if run.site.policy.baseline == "sent" and record.accepted is None:
        run.exports.accept(sequence, receipt=None, now=run.clock())
    remove_work(run, work_of(sequence))
    drop_old_packages(record.folder)


def work_of(sequence: int) -> WorkId:
    """Name the piece of work that makes a bundle."""
    return WorkId("export", sequence)


def _reserve(run: RunContext, mode: Mode, base: Base) -> ExportRecord:
    parent = run.exports.newest_sealed()
    sequence = _free_number(run)
    name = bundle_name(run.site.name, sequence)
    record = ExportRecord(
        sequence=sequence,
        status="reserved",
        mode=mode,
        base_digest=base.digest,
        parent_digest=parent.header_digest if parent else None,
        header_digest=None,
        fingerprint=None,
        bundle=run.site.media.path / name,
        folder=run.site.state_dir / "bundles" / name,
        created=run.clock(),
        sealed=None,
        receipt=None,
        accepted=None,
    )
    run.exports.reserve(record)
    return record


def _void_if_made(run: RunContext, newest: ExportRecord | None) -> ExportRecord | None:
    """Void the reserved number if a bundle of that number exists; return the newest record then.

    Such a bundle means that the state folder was set back.
    """
    if newest is None or newest.status != "reserved":
        return newest
    if not _highest_made(run, above=newest.sequence - 1):
        return newest
    run.exports.void(newest.sequence)
    return run.exports.newest()


def _free_number(run: RunContext) -> int:
    """Return the next number above all that ledger, mark on the server or medium know."""
    newest = run.exports.newest()
    recorded = newest.sequence if newest else 0
    return max(recorded, _highest_made(run, above=recorded)) + 1


def _highest_made(run: RunContext, *, above: int) -> int:
    """Return the highest number of a bundle that this state folder does not know; else 0.

    Only numbers greater than ``above`` count, by our seal on the medium or by the mark on the
    server, which names the bundle committed last. A number other than 0 gets a notice.
    """
    media = run.media.path(str(run.site.media.path))
    own = re.compile(rf"{re.escape(run.site.name)}-([1-9]\d{{0,8}})")
    matches = (own.fullmatch(stat.name) for stat in run.media.list_folder(media))
    numbers = sorted((int(match[1]) for match in matches if match), reverse=True)
    sealed = (
        number
        for number in numbers
        if number > above
        and (
            header := _own_header(
                run.media, run.site, media.joined(bundle_name(run.site.name, number))
            )
        )
        and header.sequence == number
    )
    marked = highest_marked(run)
    made = max(next(sealed, 0), marked if marked > above else 0)
    if made:
        run.report.notice(
            f"bundle {made} was made here before, and this state folder knows nothing of it: it "
            "was lost or set back. Restore its backup, then join the chain by that bundle (`site "
            "recover`); what is exported before that is refused on the other side"
        )
    return made


def _draft(
    exports: Exports,
    site: Site,
    record: ExportRecord,
    *,
    fingerprint: str = "",
    is_sealed: bool = False,
    is_committed: bool = False,
) -> Draft:
    parent = exports.by_digest(record.parent_digest) if record.parent_digest else None
    base = exports.by_digest(record.base_digest) if record.base_digest else None
    record.folder.mkdir(parents=True, exist_ok=True)
    return Draft(
        sequence=record.sequence,
        folder=record.folder,
        # The medium may be mounted elsewhere than when the number was taken.
        bundle=site.media.path / record.bundle.name,
        mode=record.mode,
        chain=exports.mint_chain(),
        parent=parent.sequence if parent else None,
        base=base.sequence if base else None,
        voided=tuple(exports.void_since(parent.sequence if parent else 0)),
        fingerprint=record.fingerprint or fingerprint,
        is_sealed=is_sealed,
        is_committed=is_committed,
    )


def _fingerprint(snapshot: ServerSnapshot, base: Base, request: ExportRequest, mode: Mode) -> str:
    facts: dict[str, object] = {
        "server": snapshot.facts.model_dump(
            mode="json",
            include={
                "server_id", "version", "protocol_version", "download_express", "all_languages",
                "languages", "update_count", "declined_count", "approved_count",
            },
        ),
        "decisions": snapshot.decisions.approval_set.digest(),
        "content": snapshot.content.digest(),
        "base": base.identity,
        "mode": mode.value,
    }  # fmt: skip
    if request.bring:  # bundles of earlier versions have no such key in theirs
        facts["bring"] = request.bring_identity
    return blake3(canonical_json(facts)).hexdigest()


def _adopt_seal(run: RunContext, record: ExportRecord) -> ExportRecord:
    """Record a committed bundle as sealed if our seal of it lies on the media."""
    header = _sealed_header(run.media, run.site, record)
    if header is None:
        return record
    record_seal(run, header)
    return run.exports.by_sequence(record.sequence) or record


def _sealed_header(media: Host, site: Site, record: ExportRecord) -> Header | None:
    """Return the committed header of a bundle if it lies on the media with our seal, else None."""
    header = _own_header(media, site, media.path(str(site.media.path / record.bundle.name)))
    is_committed = header is not None and header.digest == record.header_digest
    return header if is_committed else None


def _own_header(media: Host, site: Site, bundle: HostPath) -> Header | None:
    """Return the header in a bundle's folder if it bears our own seal, else None."""
    path = volume_folder(bundle, 1).joined(HEADER)
    try:
        content = read_limited(media, path, limit_bytes=HEADER_LIMIT_BYTES)
        return verify_header(read_header(content, path=path.text), own_trust(site)).header
    except AirGapError:
        return None
