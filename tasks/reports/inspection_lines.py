"""Lines of ``show`` and ``history`` in the document: signatures, updates, runs, the chain."""

from __future__ import annotations

from pydantic import AwareDatetime

from tasks.reports.decision_lines import Reported


class SignerLine(Reported):
    """Signature on a bundle.

    Attributes:
        fingerprint: SHA-256 of the public key, 64 hexadecimal digits.
        name: File name of the key, if this site's file names it; None for an unknown key.
        trusted: True if the site file trusts the key and its signature verifies.
    """

    fingerprint: str
    name: str | None
    trusted: bool


class BroughtLine(Reported):
    """Update that a bundle brings, by the list that is sealed with it. All texts are foreign.

    Attributes:
        files, bytes: Content files of the update that the bundle carries.
        new: True if the base did not have it approved.
        origin: ``microsoft``, ``locally-published`` or ``no-microsoft-address``.
    """

    update_id: str
    revision: int
    title: str
    kb: str
    severity: str
    classification: str
    products: tuple[str, ...]
    cves: tuple[str, ...]
    supersedes: tuple[str, ...]
    files: int
    bytes: int
    new: bool
    origin: str


class LackingLine(Reported):
    """File that an update lacks, as ``history`` tells it. Title and KB are foreign text.

    Attributes:
        file: ``<SHA-1>.<extension>``; null if the metadata do not have the revision.
        since: Time of the first look of an unbroken line that missed it.
    """

    update_id: str
    revision: int
    title: str
    kb: str
    file: str | None
    size_bytes: int | None
    reason: str
    reason_text: str
    since: AwareDatetime


class CustodyLogLine(Reported):
    """Line of the custody log, as ``history`` tells it; ``history --verify`` proves the log.

    Attributes:
        number: 1, 2, 3 …
        who: The account, or that it was the API.
        bundle: Name of the bundle; empty if it is about none.
        text: What was done, in words.
    """

    number: int
    time: AwareDatetime
    event: str
    who: str
    machine: str
    product_version: str
    run: str
    bundle: str
    text: str


class RunLine(Reported):
    """Run of a command on this side.

    Attributes:
        bundle: Name of the bundle's folder; None if it was about none.
        has_report: True if its report lies in the folder of reports, under its id.
    """

    run: str
    command: str
    started: AwareDatetime
    ended: AwareDatetime | None
    outcome: str | None
    exit_code: int | None
    bundle: str | None
    has_report: bool


class ChainLine(Reported):
    """Bundle of the chain, or a gap in it.

    Attributes:
        sequence: The bundle's number.
        state: What became of it: sealed, carried and receipted; or imported; in words.
        created: When it was packed; None if it never was, or is not known here.
        base: Number of the bundle that it needs; None for none.
        bytes: Bytes of the content that it carries; None if not known here.
        receipt: Outcome of its receipt, or None.
        carried_by: Name that was typed for the person who carried it, or None.
        is_gap: True if a later bundle was imported and this one never came.
    """

    sequence: int
    bundle: str
    state: str
    created: AwareDatetime | None = None
    base: int | None = None
    bytes: int | None = None
    receipt: str | None = None
    carried_by: str | None = None
    is_gap: bool = False
