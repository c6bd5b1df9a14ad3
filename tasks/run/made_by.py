"""Account, machine, version, server, policy and signer of a side, for its reports."""

from __future__ import annotations

import getpass
import platform

from tasks.ledger.store import Ledger
from tasks.reports.made_by import KeyOfSide, MadeBy
from tasks.run.keys import known_fingerprint
from tasks.site.settings import Site
from tasks.version import VERSION


def account() -> str:
    """Return the name of the account that this process runs as; ``unknown`` if it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"


def machine() -> str:
    """Return the name of this machine."""
    return platform.node() or "unknown"


def made_by(site: Site, ledger: Ledger, *, by_api: bool) -> MadeBy:
    """Return what makes a report of a side now. Nobody is asked for a passphrase.

    Args:
        site: The site file.
        ledger: The ledger, which knows the server's id.
        by_api: True if Prefect's API started the run.
    """
    key = site.trust.signing_key
    return MadeBy(
        account=account(),
        by_api=by_api,
        machine=machine(),
        product_version=VERSION,
        server_id=ledger.server_id(site.side),
        site_file=str(site.path),
        policy=site.policy.model_dump(mode="json"),
        threshold=site.trust.threshold,
        signer=KeyOfSide(fingerprint=known_fingerprint(site), name=key.name),
    )
