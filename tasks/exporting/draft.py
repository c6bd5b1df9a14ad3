"""Which sequence number the export works on: a new one, an unfinished one, or none at all.

A number never gets other bytes. So an unfinished export goes on under its own number while what
was committed for it can still be made, and a bundle that is whole and that nothing has outdated is
answered again instead of being made twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3
from pydantic import BaseModel, ConfigDict

from tasks.bundle.canonical import canonical_json
from tasks.bundle.header import BundleReference, Header, read_header, verify_header
from tasks.bundle.layout import HEADER, MANIFEST, bundle_name, volume_folder
from tasks.bundle.manifest import Entry, compare_sorted, read_entries, subtract_missing
from tasks.bundle.opened_bundle import open_bundle
from tasks.bundle.seal import HEADER_LIMIT_BYTES
from tasks.bundle.verify import looks_complete
from tasks.content.transfer import CopyItem, copy_files
from tasks.errors import AirGapError
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.ledger.exports import ExportRecord
from tasks.ledger.work_id import WorkId
from tasks.names import Mode
from tasks.run.context import RunContext
from tasks.run.keys import own_trust
from tasks.run.stored_documents import damaged_documents, matches_binding, read_header_copy
from tasks.server.cleanup import drop_old_packages, remove_work
from tasks.server.mark import highest_marked
from tasks.server.snapshot import ServerSnapshot


class Draft(BaseModel):
    """One bundle in the making, or the one that is whole and answers.

    Attributes:
        folder: Our own folder of this bundle: package, index, plan, manifest.
        bundle: The bundle's folder on the media.
        is_sealed: It lies whole on the media; nothing is left to do.
        is_committed: Its header was built and committed; only the seal may be missing.
    """

    model_config = ConfigDict(frozen=True)

    sequence: int
    folder: Path
    bundle: Path
    mode: Mode
    chain: str
    parent: int | None
    base: int | None
    voided: tuple[int, ...]
    fingerprint: str
    is_sealed: bool = False
    is_committed: bool = False

    @property
    def work(self) -> WorkId:
        """What the steps of this bundle are remembered under, and its folder on the server."""
        return _work_of(self.sequence)


def open_draft(
    run: RunContext, view: ServerSnapshot, *, mode: Mode | None, full: bool, new: bool
) -> Draft:
    """Find or begin the bundle that this export is about.

    Args:
        run: The run.
        view: The staging server as it was just seen.
        mode: None: as the site's policy says.
        full: Count on no baseline.
        new: Do not answer with the bundle that was made before.

    Raises:
        ServerUnfitError: The mark on the server, which bounds the next number, cannot be read.
    """
    wanted = mode or run.site.policy.mode
    newest = run.exports.newest()
    if newest is not None and newest.status == "committed":
        newest = _adopt_seal(run, newest)
    if newest is not None and newest.status == "committed":
        return _draft(run, newest, is_committed=True)
    newest = _less_taken(run, newest)
    if newest is not None and newest.status == "sealed" and not new:
        made_on = None if full else _base_as_made(run, newest)
        standing = _standing_header(run, newest, view, _fingerprint(view, made_on, wanted))
        if standing is not None:
            record_seal(run, standing)
            return _draft(run, newest, is_sealed=True)
    base = None if full else _known_baseline(run)
    fingerprint = _fingerprint(view, base, wanted)
    if newest is not None and newest.status == "reserved":
        run.exports.rebase(
            newest.sequence, mode=wanted, base_digest=base.header_digest if base else None
        )
        rebased = run.exports.newest() or newest
        return _draft(run, rebased, fingerprint=fingerprint)
    return _draft(run, _reserve(run, wanted, base), fingerprint=fingerprint)


def unfinished_work(run: RunContext) -> WorkId | None:
    """The piece of work that an export goes on with; None when it begins another."""
    newest = run.exports.newest()
    if newest is None or newest.status not in {"reserved", "committed"}:
        return None
    return _work_of(newest.sequence)


def record_seal(run: RunContext, header: Header) -> None:
    """Remember that a bundle's seal lies on the media, with all that follows from it.

    Killed anywhere, the next export does it again: it finds the seal there.
    """
    sequence = header.sequence
    record = run.exports.by_sequence(sequence)
    if record is None:
        return
    if record.status != "sealed":
        run.exports.mark_sealed(sequence, now=run.clock())
    run.ledger.note_time(header.created)
    if run.site.policy.baseline == "sent" and record.accepted is None:
        run.exports.accept(sequence, receipt=None, now=run.clock())
    remove_work(run, _work_of(sequence))
    drop_old_packages(record.folder)


def _work_of(sequence: int) -> WorkId:
    """What the steps of a bundle are remembered under, and its folder on the server."""
    return WorkId("export", sequence)


def reference(run: RunContext, sequence: int | None) -> BundleReference | None:
    """Name an earlier bundle of the chain by number and digest."""
    record = None if sequence is None else run.exports.by_sequence(sequence)
    if record is None or record.header_digest is None:
        return None
    return BundleReference(sequence=record.sequence, digest=record.header_digest)


def baseline_entries(run: RunContext, draft: Draft) -> Iterator[Entry]:
    """What the disconnected side is known to hold: the base's manifest less what is missing."""
    base = None if draft.base is None else run.exports.by_sequence(draft.base)
    if base is None:
        return iter(())
    missing = run.exports.missing_after(base)
    return subtract_missing(read_entries(base.folder / MANIFEST), missing)


def _known_baseline(run: RunContext) -> ExportRecord | None:
    """The baseline, unless the state folder no longer has its manifest as it was sealed.

    Without it nobody can say what the other side holds: all content is carried.
    """
    base = run.exports.baseline()
    if base is None:
        return None
    header = read_header_copy(base.folder)
    is_ours = header is not None and header.digest == base.header_digest
    if header is not None and is_ours and matches_binding(base.folder / MANIFEST, header.manifest):
        return base
    run.report.notice(
        f"the manifest of bundle {base.sequence} in {base.folder} is lost or damaged, so all "
        "content is carried; restore the state folder from its backup to carry only what is new"
    )
    return None


def _reserve(run: RunContext, mode: Mode, base: ExportRecord | None) -> ExportRecord:
    parent = run.exports.newest_sealed()
    sequence = _free_number(run)
    name = bundle_name(run.site.name, sequence)
    record = ExportRecord(
        sequence=sequence,
        status="reserved",
        mode=mode,
        base_digest=base.header_digest if base else None,
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


def _less_taken(run: RunContext, newest: ExportRecord | None) -> ExportRecord | None:
    """Give up a reserved number that has a bundle after all: the state folder was set back."""
    if newest is None or newest.status != "reserved":
        return newest
    if not _highest_made(run, above=newest.sequence - 1):
        return newest
    run.exports.void(newest.sequence)
    return run.exports.newest()


def _free_number(run: RunContext) -> int:
    """The next number: none that server or medium show as taken, whatever this state knows."""
    newest = run.exports.newest()
    known = newest.sequence if newest else 0
    return max(known, _highest_made(run, above=known)) + 1


def _highest_made(run: RunContext, *, above: int) -> int:
    """The highest number above one that has a bundle although we do not know of it; else 0.

    The server bears the mark of the bundle that was committed last; or one lies on the medium,
    sealed by us.
    """
    media = run.media.path(str(run.site.media.path))
    own = re.compile(rf"{re.escape(run.site.name)}-([1-9]\d{{0,8}})")
    named = (own.fullmatch(stat.name) for stat in run.media.list_folder(media))
    numbers = sorted((int(match[1]) for match in named if match), reverse=True)
    sealed = (
        number
        for number in numbers
        if number > above
        and (header := _own_header(run, media.joined(bundle_name(run.site.name, number))))
        and header.sequence == number
    )
    marked = highest_marked(run)
    made = max(next(sealed, 0), marked if marked > above else 0)
    if made:
        run.report.notice(
            f"bundle {made} was made here before, and this state folder knows nothing of it: it "
            "was lost or set back. Restore it from its backup; what is exported without it is "
            "refused on the other side"
        )
    return made


def _draft(
    run: RunContext,
    record: ExportRecord,
    *,
    fingerprint: str = "",
    is_sealed: bool = False,
    is_committed: bool = False,
) -> Draft:
    parent = run.exports.by_digest(record.parent_digest) if record.parent_digest else None
    base = run.exports.by_digest(record.base_digest) if record.base_digest else None
    record.folder.mkdir(parents=True, exist_ok=True)
    return Draft(
        sequence=record.sequence,
        folder=record.folder,
        # The medium may be mounted elsewhere than when the number was taken.
        bundle=run.site.media.path / record.bundle.name,
        mode=record.mode,
        chain=run.exports.mint_chain(),
        parent=parent.sequence if parent else None,
        base=base.sequence if base else None,
        voided=tuple(run.exports.void_since(parent.sequence if parent else 0)),
        fingerprint=record.fingerprint or fingerprint,
        is_sealed=is_sealed,
        is_committed=is_committed,
    )


def _fingerprint(view: ServerSnapshot, base: ExportRecord | None, mode: Mode) -> str:
    facts = {
        "server": view.facts.model_dump(
            mode="json",
            include={
                "server_id", "version", "protocol_version", "download_express", "all_languages",
                "languages", "update_count", "declined_count", "approved_count",
            },
        ),
        "decisions": view.decisions.approval_set.digest(),
        "content": view.content.digest(),
        "base": base.header_digest.hex if base and base.header_digest else None,
        "mode": mode.value,
    }  # fmt: skip
    return blake3(canonical_json(facts)).hexdigest()


def _adopt_seal(run: RunContext, record: ExportRecord) -> ExportRecord:
    """Look whether our seal of a committed bundle already lies on the media, and adopt it."""
    header = _sealed_header(run, record)
    if header is None:
        return record
    record_seal(run, header)
    return run.exports.by_sequence(record.sequence) or record


def _base_as_made(run: RunContext, record: ExportRecord) -> ExportRecord | None:
    """What an export that made this bundle again would count on.

    For a site with no way back a bundle becomes the baseline by its own seal: that is no news. And
    one that carries everything (``--full``) brings what any base lacks that stood when it was made.
    """
    base = run.exports.baseline()
    is_own = run.site.policy.baseline == "sent" and base == record
    stood = base is not None and base.accepted is not None and base.accepted <= record.created
    if is_own or (record.base_digest is None and stood):
        return run.exports.by_digest(record.base_digest) if record.base_digest else None
    return base


def _standing_header(
    run: RunContext, record: ExportRecord, view: ServerSnapshot, fingerprint: str
) -> Header | None:
    """The header of a sealed bundle that answers this export: nothing changed, and it is there."""
    if record.fingerprint != fingerprint or view.facts.arrived_since:
        return None
    header = _whole_header(run, record)
    return None if header is None or _is_mended(run, record, view) else header


def _whole_header(run: RunContext, record: ExportRecord) -> Header | None:
    """The header of a bundle that still lies on the media as it was sealed."""
    bundle = run.media.path(str(run.site.media.path / record.bundle.name))
    try:
        opened = open_bundle(run.media, [bundle], own_trust(run.site))
        is_ours = opened.trusted.digest == record.header_digest
        is_whole = (
            is_ours
            and not any(damaged_documents(record.folder, opened.header))
            and looks_complete(opened, read_entries(record.folder / MANIFEST))
        )
    except AirGapError:
        return None
    return opened.header if is_whole else None


def _is_mended(run: RunContext, record: ExportRecord, view: ServerSnapshot) -> bool:
    """Whether a file that the bundle had to leave out is good now; only those are read.

    A file can be put right without a trace in its size and time.
    """
    pairs = compare_sorted(
        view.content,
        read_entries(record.folder / MANIFEST),
        first_order=lambda file: file.name.order,
        second_order=lambda entry: entry.order,
    )
    left_out = (
        CopyItem((pair.first.path,), pair.first.size_bytes, sha1=pair.first.name.digest)
        for pair in pairs
        if pair.first is not None and pair.second is None
    )
    return any(result.is_ok for batch in copy_files(run.server, None, left_out) for result in batch)


def _sealed_header(run: RunContext, record: ExportRecord) -> Header | None:
    """The header that lies sealed by us on the media, if it is the one that was committed."""
    bundle = run.media.path(str(run.site.media.path / record.bundle.name))
    found = _own_header(run, bundle)
    is_committed = found is not None and found.digest == record.header_digest
    return found if is_committed else None


def _own_header(run: RunContext, bundle: HostPath) -> Header | None:
    """The header in a bundle's folder, when it bears our own seal."""
    path = volume_folder(bundle, 1).joined(HEADER)
    try:
        content = read_limited(run.media, path, limit_bytes=HEADER_LIMIT_BYTES)
        return verify_header(read_header(content, path=path.text), own_trust(run.site)).header
    except AirGapError:
        return None
