"""Keys of a site file: the key that this side signs with, and the keys that it trusts."""

from __future__ import annotations

from tasks.bundle.keys import SigningKey, is_encrypted, load_public_key, load_receipt_secret
from tasks.bundle.passphrase import open_signing_key
from tasks.bundle.seal import Trust
from tasks.names import Side
from tasks.site.faults import Fault, site_file_error
from tasks.site.settings import Site


def site_trust(site: Site) -> Trust:
    """Return the trusted keys of the site file; only their seals count."""
    trust = site.trust
    return Trust(tuple(load_public_key(path) for path in trust.trusted_keys), trust.threshold)


def key_names(site: Site) -> dict[str, str]:
    """Return the file names of the keys that the site file names, by fingerprint."""
    names = {load_public_key(path).fingerprint: path.name for path in site.trust.trusted_keys}
    own = site.trust.signing_key
    return {own_fingerprint(site): own.name} | names


def signing_key(site: Site) -> SigningKey:
    """Return the private key of this side."""
    return open_signing_key(site.trust.signing_key, passphrase_file=site.trust.passphrase_file)


def own_fingerprint(site: Site) -> str:
    """Return the fingerprint of this side's key, to name it; nobody is asked for a passphrase.

    That of an encrypted key is read from the public key that ``keygen`` wrote beside it.
    """
    beside = site.trust.signing_key.with_suffix(".pub")
    if is_encrypted(site.trust.signing_key) and beside.is_file():
        return load_public_key(beside).fingerprint
    return signing_key(site).public.fingerprint


def known_fingerprint(site: Site) -> str | None:
    """Return the fingerprint of this side's key; None if only its passphrase would tell it."""
    key = site.trust.signing_key
    if is_encrypted(key) and not key.with_suffix(".pub").is_file():
        return None
    return own_fingerprint(site)


def own_trust(site: Site) -> Trust:
    """Return this side's own key as the only trusted one, for what this side sealed itself."""
    return Trust((signing_key(site).public,), 1)


def receipt_trust(site: Site) -> Trust:
    """Return the keys whose seals on receipts count: one of them suffices.

    The threshold is for bundles; the disconnected side has one key for its receipts.
    """
    return Trust(site_trust(site).keys, 1)


def bundle_trust(site: Site) -> Trust:
    """Return the keys whose seals on bundles count; on the staging side also its own key."""
    trust = site_trust(site)
    if site.side is Side.STAGING:
        return Trust((*trust.keys, signing_key(site).public), trust.threshold)
    return trust


def receipt_secret(site: Site) -> bytes:
    """Return the secret for typed receipt codes.

    Raises:
        SiteFileError: The site file names no receipt secret.
    """
    path = site.trust.receipt_secret
    if path is None:
        fault = Fault(("trust", "receipt_secret"), "needed for a typed receipt code")
        raise site_file_error(site.path, [fault])
    return load_receipt_secret(path)
