"""The keys of a site file: what this side signs with, and whom it believes."""

from __future__ import annotations

from tasks.bundle.keys import SigningKey, load_public_key, load_receipt_secret, load_signing_key
from tasks.bundle.seal import Trust
from tasks.names import Side
from tasks.site.faults import Fault, site_file_error
from tasks.site.settings import Site


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
        fault = Fault(("trust", "receipt_secret"), "needed for a typed receipt code")
        raise site_file_error(site.path, [fault])
    return load_receipt_secret(path)
