"""The keys of a site file: what this side signs with, and whom it believes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tasks.bundle.keys import SigningKey, load_public_key, load_receipt_secret, load_signing_key
from tasks.bundle.seal import Trust
from tasks.errors import SiteFileError, UsageError
from tasks.site.settings import Side, Site


def require_keys(site: Site) -> None:
    """See that every key that a site file names is one, before hours of work need it.

    Raises:
        SiteFileError: All that are not.
    """
    trust = site.trust
    named: list[tuple[str, Path | None, Callable[[Path], object]]] = [
        ("signing_key", trust.signing_key, load_signing_key),
        *((f"trusted_keys.{n}", key, load_public_key) for n, key in enumerate(trust.trusted_keys)),
        ("receipt_secret", trust.receipt_secret, load_receipt_secret),
    ]
    problems = []
    for key, path, load in named:
        try:
            if path is not None:
                load(path)
        except UsageError as error:
            problems.append(f"trust.{key}: {error.message}")
    if problems:
        raise SiteFileError(path=site.path, problems="; ".join(problems))


def site_trust(site: Site) -> Trust:
    """Whose seals count here: the keys of the site file, and nobody else's."""
    trust = site.trust
    return Trust(tuple(load_public_key(path) for path in trust.trusted_keys), trust.threshold)


def signing_key(site: Site) -> SigningKey:
    """This side's own key."""
    return load_signing_key(site.trust.signing_key)


def own_trust(site: Site) -> Trust:
    """Our own key alone: for what this side sealed itself."""
    return Trust((signing_key(site).public,), 1)


def bundle_trust(site: Site) -> Trust:
    """Whose seals on bundles count when this side verifies: also its own, on the staging side."""
    trust = site_trust(site)
    if site.side is Side.STAGING:
        return Trust((*trust.keys, signing_key(site).public), trust.threshold)
    return trust


def receipt_secret(site: Site) -> bytes:
    """The secret for typed receipt codes.

    Raises:
        SiteFileError: The site file names none.
    """
    path = site.trust.receipt_secret
    if path is None:
        problem = "trust.receipt_secret: needed for a typed receipt code"
        raise SiteFileError(path=site.path, problems=problem)
    return load_receipt_secret(path)
