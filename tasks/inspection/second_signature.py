"""A second person's signature on a bundle: verified, shown, then added to every volume.

The header digest does not change, so nothing of the bundle has to be made again. Volumes on other
media are signed when they are there: the command is run once for each medium.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from tasks.bundle.header import read_header
from tasks.bundle.keys import SigningKey
from tasks.bundle.layout import HEADER
from tasks.bundle.passphrase import open_signing_key
from tasks.bundle.seal import HEADER_LIMIT_BYTES, add_signature
from tasks.content.place import beside_of
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited
from tasks.inspection.carrying import write_card
from tasks.inspection.shown import ShownBundle, open_shown, report_shown, write_shown
from tasks.quantities import count
from tasks.refusals import SealError
from tasks.reports.model import CommandReport
from tasks.run.context import open_run_context
from tasks.run.custody import record_event
from tasks.run.media_scan import record_scan, scan_media

_CARRY = "Carry the bundle on. `wsus-airgap show BUNDLE` shows all signatures."


def sign_bundle(
    site: str,
    folders: Sequence[Path],
    key: Path,
    *,
    passphrase_file: Path | None,
    take_over: str | None,
    clock: Callable[[], datetime],
) -> CommandReport:
    """Verify a bundle's seal, and add a signature to each of its volumes that is here.

    Raises:
        PathMissingError, UsageError: The bundle, the key or its passphrase cannot be read.
        SealError: No trusted key has signed it.
        HostFileError: The medium cannot be written.
        WrongSiteError, TamperError, TrustError, SafetyError: As ``open_shown``.
    """
    context = open_run_context(site, command="sign", side=None, clock=clock, take_over=take_over)
    with context as run:
        verdict = scan_media(run, [os.path.realpath(folder) for folder in folders])
        shown = open_shown(run, folders)
        record_scan(run, verdict, bundle=shown.header.bundle, digest=shown.digest)
        signing = open_signing_key(key, passphrase_file=passphrase_file)
        run.lock_bundle(shown.folder)
        _sign_volumes(run.media, shown, signing)
        record_event(
            run,
            "signed",
            f"with {key.name} ({signing.public.fingerprint})",
            bundle=shown.header.bundle,
            digest=shown.digest,
        )
        after = open_shown(run, folders)
        write_card(run.media, run.report, after)
        volumes, present = len(shown.header.volumes), len(shown.opened.volume_folders)
        lines = [*_said(after, key, signing), *run.report.lines]
        report = report_shown(run, after, lines=lines, next_step=_CARRY)
        if present == volumes:
            return write_shown(run.site, report, after, now=run.clock())
        notice = f"{count(volumes - present, 'volume is', 'volumes are')} not here: sign them too"
        flagged = report.model_copy(
            update={
                "exit_code": 2,
                "notices": (*report.notices, notice),
                "lines": (*report.lines, notice),
            }
        )
        return write_shown(run.site, flagged, after, now=run.clock())


def _said(shown: ShownBundle, key: Path, signing: SigningKey) -> list[str]:
    fingerprint = signing.public.fingerprint
    lines = [f"signed {shown.header.bundle} with {key.name} ({fingerprint})"]
    if fingerprint not in shown.opened.trusted.signed_by:
        lines.append("this site does not trust that key; trust.trusted_keys names those it does")
    return lines


def _sign_volumes(media: Host, shown: ShownBundle, key: SigningKey) -> None:
    """Sign the volumes, the first one last, as the export writes them."""
    for number in sorted(shown.opened.volume_folders, reverse=True):
        for folder in shown.opened.volume_folders[number]:
            _sign_volume(media, folder, key, digest=shown.digest)


def _sign_volume(media: Host, folder: HostPath, key: SigningKey, *, digest: str) -> None:
    path = folder.joined(HEADER)
    content = read_limited(media, path, limit_bytes=HEADER_LIMIT_BYTES)
    sealed = read_header(content, path=str(path))
    signed = add_signature(sealed, key)
    if sealed.digest.hex != digest:
        raise SealError(path=path, reason="it changed while it was being signed")
    if signed == content:
        return  # this key has signed it before
    beside = beside_of(path)
    media.write(beside, [signed])
    media.flush_files([beside]).require_all()
    media.rename([(beside, path)]).require_all()
    media.flush_folders([folder])
