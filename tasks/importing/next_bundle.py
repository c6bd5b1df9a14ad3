"""The next bundle of the chain on the medium, for a run that was given none.

On the disconnected side a bundle is new if its number is above the newest import, or if its import
was begun and not finished. Of several new ones the chain decides which fit. A single one is taken
without that question: opening it says why it does not fit. On the staging side the next bundle is
the newest one that was sealed, until its receipt comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.bundle.faults import printable
from tasks.bundle.layout import HEADER, bundle_name, is_bundle_name, volume_number
from tasks.bundle.media import Media
from tasks.bundle.opened_bundle import open_bundle
from tasks.errors import AirGapError, PathMissingError, UsageError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.importing.incoming import judge_opened, read_site_memory
from tasks.ledger.exports import Exports
from tasks.names import Side
from tasks.run.context import RunContext
from tasks.run.keys import bundle_trust
from tasks.run.media_scan import scan_media

_NONE = (
    "Put in the medium, or name the bundle's folder. In a schedule or a trigger, `--if-new` ends "
    "with 0 when there is none."
)
_UNSEALED = "no header.json is in it; it is not whole yet, or its export did not end"


@dataclass(frozen=True, slots=True)
class Search:
    """Bundles that were looked for on the medium.

    Attributes:
        bundle: The bundle's folder; None if no new bundle lies there.
        looked_in: The folder of the media.
    """

    bundle: HostPath | None
    looked_in: HostPath


def find_next_bundle(run: RunContext, *, accepted_gap: str | None = None) -> Search:
    """Find the next bundle of the chain on the medium, and report folders that are passed over.

    Args:
        run: The run.
        accepted_gap: As in ``IncomingBundle``.

    Raises:
        UsageError: Several bundles fit.
        MalwareError: The site's scanner did not find one of several clean.
        TrustError, SafetyError: There are new bundles, and none of them fits the chain.
        HostFileError: The medium cannot be read.
    """
    folder = run.media.path(str(run.site.media.path))
    if run.site.side is Side.STAGING:
        return Search(_newest_sealed(run.exports, run.media), folder)
    candidates = _new_bundles(run, folder)
    if len(candidates) < 2:
        return Search(next(iter(candidates), None), folder)
    fitting, unfit = [], []
    for candidate in candidates:
        scan_media(run, [candidate.text])
        try:
            opened = open_bundle(run.media, [candidate], bundle_trust(run.site))
            judge_opened(run, opened, accepted_gap=accepted_gap)
        except AirGapError as error:
            unfit.append(error)
        else:
            fitting.append(candidate)
    if len(fitting) > 1:
        names = ", ".join(printable(path.name) for path in fitting)
        raise UsageError(
            reason=f"several bundles on {folder} fit the chain: {names}",
            remedy="Name the one that you mean, or import them one after the other, oldest first.",
        )
    if not fitting:
        raise unfit[0]
    return Search(fitting[0], folder)


def require_found(search: Search) -> HostPath:
    """Return the bundle that was found.

    Raises:
        PathMissingError: No new bundle lies on the medium.
    """
    if search.bundle is None:
        what = "a new bundle of the chain"
        raise PathMissingError(what=what, path=search.looked_in, remedy=_NONE)
    return search.bundle


def _newest_sealed(exports: Exports, host: Host) -> HostPath | None:
    newest = exports.newest_sealed()
    if newest is None or newest.accepted is not None:
        return None
    bundle = host.path(str(newest.bundle))
    stat = Media(host).stat(bundle)
    return bundle if stat is not None and stat.kind == "folder" else None


def _new_bundles(run: RunContext, folder: HostPath) -> list[HostPath]:
    """List the sealed folders whose names say a new bundle of this site, lowest number first."""
    media = Media(run.media)
    stat = media.stat(folder)
    if stat is None or stat.kind != "folder":
        return []
    memory = read_site_memory(run)
    newest = memory.imported.get(memory.newest)
    lowest = memory.newest + (newest is None or newest.done is not None)
    numbers = [
        number
        for entry in media.list_folder(folder)
        if entry.kind == "folder" and is_bundle_name(entry.name)
        for number in (int(entry.name.rpartition("-")[2]),)
        if entry.name == bundle_name(run.site.name, number) and number >= lowest
    ]
    bundles = []
    for number in sorted(numbers):
        bundle = folder.joined(bundle_name(run.site.name, number))
        if _is_sealed(media, bundle):
            bundles.append(bundle)
        else:
            run.report.lines.append(f"{bundle.name} is passed over: {_UNSEALED}")
    return bundles


def _is_sealed(media: Media, bundle: HostPath) -> bool:
    return any(
        media.stat(bundle.joined(stat.name, HEADER)) is not None
        for stat in media.list_folder(bundle)
        if stat.kind == "folder" and volume_number(stat.name) is not None
    )
