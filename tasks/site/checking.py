"""Checks of the files that a site file names: keys, host keys and SSH identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tasks.bundle.keys import load_public_key, load_receipt_secret
from tasks.bundle.passphrase import open_signing_key
from tasks.errors import SiteFileError, UsageError
from tasks.hosts.factory import LOCAL
from tasks.hosts.ssh_address import parse_ssh_address
from tasks.hosts.ssh_known_hosts import pinned_keys
from tasks.site.faults import Fault, site_file_error
from tasks.site.lines import KeyPath
from tasks.site.settings import Site


def require_keys(site: Site) -> None:
    """Check that every key file of a site file contains a key, before hours of work need it.

    Raises:
        SiteFileError: At least one does not; the error names all.
    """
    if faults := list(_key_faults(site)):
        raise site_file_error(site.path, faults)


def require_sound(site: Site) -> None:
    """Check everything in a site file that can be checked without the server.

    In addition to ``require_keys``, this finds faults with which most commands could still work:
    this side's own key among the trusted keys, and files that would stop SSH from connecting.

    Raises:
        SiteFileError: There is a fault; the error names all.
    """
    if faults := [*_key_faults(site), *_own_key_faults(site), *_ssh_faults(site)]:
        raise site_file_error(site.path, faults)


def _key_faults(site: Site) -> Iterator[Fault]:
    trust = site.trust
    open_key = partial(open_signing_key, passphrase_file=trust.passphrase_file)
    key_files: list[tuple[KeyPath, Path | None, Callable[[Path], object]]] = [
        (("signing_key",), trust.signing_key, open_key),
        *(
            (("trusted_keys", number), path, load_public_key)
            for number, path in enumerate(trust.trusted_keys)
        ),
        (("receipt_secret",), trust.receipt_secret, load_receipt_secret),
    ]
    for key, path, load in key_files:
        try:
            if path is not None:
                load(path)
        except UsageError as error:
            yield Fault(("trust", *key), error.message)


def _own_key_faults(site: Site) -> Iterator[Fault]:
    """Find this side's own key among the trusted keys.

    With it there, this side would accept its own bundles as bundles of the other side.
    """
    try:
        own = open_signing_key(
            site.trust.signing_key, passphrase_file=site.trust.passphrase_file
        ).public
    except UsageError:
        return  # _key_faults reports it
    for number, path in enumerate(site.trust.trusted_keys):
        try:
            is_own = load_public_key(path) == own
        except UsageError:
            continue  # _key_faults reports it
        if is_own:
            sentence = f"{path} is this side's own key; name the other side's public key"
            yield Fault(("trust", "trusted_keys", number), sentence)


def _ssh_faults(site: Site) -> Iterator[Fault]:
    server = site.server
    if server.address == LOCAL or server.known_hosts is None:
        return
    if sentence := _pinning_fault(server.known_hosts, parse_ssh_address(server.address).known_name):
        yield Fault(("server", "known_hosts"), sentence)
    if server.identity_file is not None:
        # Imported here, because paramiko takes a while to load and only sites with SSH need it.
        from tasks.hosts.ssh_identity import load_identity  # noqa: PLC0415

        try:
            load_identity(server.identity_file)
        except UsageError as error:
            yield Fault(("server", "identity_file"), error.message)


def _pinning_fault(known_hosts: Path, name: str) -> str | None:
    """Explain why a file pins no host key for a server; None if it pins one."""
    try:
        if any(not key.revoked for key in pinned_keys(known_hosts, name)):
            return None
        if not known_hosts.stat().st_size:
            return f"{known_hosts} is empty; it has to pin a host key for {name}"
    except (SiteFileError, OSError) as error:
        return str(error)
    return f"{known_hosts} pins no host key for {name}"
