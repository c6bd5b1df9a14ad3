"""Account, machine, version, server, policy and signer behind a report."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, JsonValue

from tasks.reports.decision_lines import Reported


class KeyOfSide(Reported):
    """Key with which this side signs bundles, receipts and its custody log.

    Attributes:
        fingerprint: SHA-256 of the public key, 64 hexadecimal digits; None if the key is encrypted
            and its public key does not lie beside it.
        name: File name of the key.
    """

    fingerprint: str | None
    name: str


class MadeBy(Reported):
    """Maker of a report, for an auditor. It names people and machines and stays on its side.

    Attributes:
        account: Account that the process ran as.
        by_api: True if Prefect's API started the run; anybody who reaches it can.
        machine: Name of the orchestrator.
        product_version: Version of the product.
        server_id: Id of the WSUS server as this side knows it; None until the first export or
            import.
        site_file: Path of the site file.
        policy: The table ``[policy]`` in force, with all defaults.
        threshold: Number of signatures that a bundle needs.
        signer: The key of this side.
    """

    account: str
    by_api: bool
    machine: str
    product_version: str
    server_id: str | None
    site_file: str
    policy: Mapping[str, JsonValue] = Field(default_factory=dict)
    threshold: int
    signer: KeyOfSide
