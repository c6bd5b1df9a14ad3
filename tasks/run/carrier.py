"""Name of the person who carried a bundle or a receipt, as the one who took it in was told.

No program can know it. So the line of the custody log says that the name was typed. The account in
that line typed it; a run of a deployment has "by the API" there, and Prefect knows who started it.
The signed carry card is the proof.
"""

from __future__ import annotations

from collections.abc import Iterator

from tasks.custody import lines_of
from tasks.errors import UsageError
from tasks.ledger.store import Ledger
from tasks.run.context import RunContext
from tasks.run.custody import record_event
from tasks.visible import visible

_BUNDLE, _RECEIPT, _TYPED = "by ", "the receipt, by ", " (typed, not proved)"
_LONGEST_NAME = 200


def checked_carrier(name: str | None) -> str | None:
    """Check the name that a person typed, and return its words; None if none was given.

    Raises:
        UsageError: It is empty or too long, or has characters that nobody can see.
    """
    if name is None:
        return None
    words = " ".join(name.split())
    if not words:
        raise UsageError(reason="--carried-by needs a name: it stands in the custody log")
    if len(words) > _LONGEST_NAME:
        raise UsageError(reason=f"--carried-by: at most {_LONGEST_NAME} characters")
    if not words.isprintable():
        raise UsageError(
            reason=f"--carried-by: {visible(words)} has characters that nobody can see"
        )
    return words


def record_carrier(
    run: RunContext, bundle: str, digest: str, *, name: str | None, is_receipt: bool = False
) -> None:
    """Record who carried a bundle, or its receipt; the name that counts already is no second line.

    Args:
        run: The run.
        bundle: Name of the bundle.
        digest: Its header digest, hex.
        name: Name of the carrier; None: nothing is recorded.
        is_receipt: True if the bundle's receipt was carried.
    """
    if name is None:
        return
    if run.rehearses:
        run.report.lines.append("a rehearsal does not record who carried the bundle")
        return
    names = _names(run.ledger, _RECEIPT if is_receipt else _BUNDLE)
    if next((typed for about, typed in names if about == digest), None) != name:
        text = f"{_RECEIPT if is_receipt else _BUNDLE}{name}{_TYPED}"
        record_event(run, "carried", text, bundle=bundle, digest=digest)


def read_carriers(ledger: Ledger) -> dict[str, str]:
    """Return the newest name that was typed for each bundle, by its header digest (hex)."""
    carriers: dict[str, str] = {}
    for digest, name in _names(ledger, _BUNDLE):
        carriers.setdefault(digest, name)
    return carriers


def _names(ledger: Ledger, kind: str) -> Iterator[tuple[str, str]]:
    """Yield header digest and name of each carrier of bundles, or of receipts, newest first."""
    for line in lines_of(ledger, "carried"):
        if line.text.startswith(kind):
            yield line.digest, line.text.removeprefix(kind).removesuffix(_TYPED)
