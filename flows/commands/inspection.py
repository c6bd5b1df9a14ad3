"""The commands that show and sign a bundle. They are no flows, and start no Prefect."""

from __future__ import annotations

from pathlib import Path

from flows.commands.options import DEFAULT_SITE, Answer, Json, SitePath, TakeOver
from flows.commands.site_work import at_site, utc_now


def show(bundle: Path, /, *more: Path, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Either side: tell who sealed a bundle, when, for whom, and what it brings.

    It proves the seal and reads no content.

    Args:
        bundle: The bundle's folder.
        more: Further folders of its volumes, or copies of it.
        site: The site file; it names the trusted keys.
        json: Print one JSON document.
    """
    from tasks.inspection.shown import show_bundle

    folders = [path.absolute() for path in (bundle, *more)]
    return at_site(
        "show", site, None, lambda checked: show_bundle(checked.name, folders, clock=utc_now)
    )


def sign(
    bundle: Path,
    /,
    *more: Path,
    key: Path,
    passphrase_file: Path | None = None,
    take_over: TakeOver = None,
    site: SitePath = DEFAULT_SITE,
    json: Json = False,
) -> Answer:
    """Either side: show what a bundle brings, and add a second person's signature.

    Args:
        bundle: The bundle's folder; it is written to.
        more: Further folders of its volumes, or copies of it.
        key: Your private key.
        passphrase_file: File with the key's passphrase; left out, it is asked for.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        site: The site file; it names the trusted keys.
        json: Print one JSON document.
    """
    from tasks.inspection.second_signature import sign_bundle

    folders = [path.absolute() for path in (bundle, *more)]
    return at_site(
        "sign",
        site,
        None,
        lambda checked: sign_bundle(
            checked.name,
            folders,
            key.absolute(),
            passphrase_file=passphrase_file and passphrase_file.absolute(),
            take_over=take_over,
            clock=utc_now,
        ),
    )
