"""The lines of the custody log, and what a check of the log found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from tasks.bundle.canonical import Sealed, canonical_json
from tasks.bundle.header import TimeField
from tasks.content.fields import Blake3Field

CustodyEvent = Literal[
    "sealed", "signed", "carried", "verified", "refused", "confirmed", "imported", "deleted",
    "restored", "receipt", "decided",
]  # fmt: skip
_Text = Annotated[str, Field(max_length=2_000)]
_PREFIX = b"wsus-airgap custody line 1\n"


class CustodyEntry(Sealed):
    """Event of the log, before it has a number and a signature.

    Attributes:
        event: What was done.
        who: The account, or ``by the API``.
        machine: Name of the machine that the orchestrator runs on. It never leaves this side.
        version: Version of the product.
        run: Id of the run; empty outside one.
        bundle: Name of the bundle; empty if it is about none.
        digest: The bundle's header digest, hex; empty if it is not known.
        text: What was done, in words: files, approvals, a reason.
    """

    event: CustodyEvent
    who: _Text
    machine: _Text
    version: _Text
    run: _Text = ""
    bundle: _Text = ""
    digest: _Text = ""
    text: _Text = ""


class CustodyLine(CustodyEntry):
    """A line of the log, in canonical JSON.

    Attributes:
        number: 1, 2, 3 …
        previous: BLAKE3 of the line before, without its line break; None for the first.
        time: When it was recorded, in UTC and whole seconds.
        key: Fingerprint of the key that signed it.
        signature: Ed25519 over ``signed_bytes``, hex.
    """

    number: Annotated[int, Field(ge=1)]
    previous: Blake3Field | None
    time: TimeField
    key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    signature: Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]


def signed_bytes(values: dict[str, Any]) -> bytes:
    """Return what is signed of a line: its canonical JSON without the signature, with a prefix.

    The prefix keeps a signature from passing as one of a bundle or a receipt.
    """
    return _PREFIX + canonical_json({k: v for k, v in values.items() if k != "signature"})


@dataclass(frozen=True, slots=True)
class CustodyHead:
    """Number and digest of the newest line; 0 and an empty text without one."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class CustodyCheck:
    """Result of a check of the log.

    Attributes:
        lines: Number of lines that the ledger knows.
        problems: What was changed, a sentence each; empty if the log is whole.
        torn: True if the last line is not whole in the file because its writer was killed; the
            next line that is recorded completes it from the ledger.
    """

    lines: int
    problems: tuple[str, ...]
    torn: bool = False
