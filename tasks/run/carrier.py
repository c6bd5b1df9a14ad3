"""Name of the person who carried a bundle or a receipt, as the one who took it in was told.

No program can know it. So the line of the custody log says that the name was typed, and the
account in that line is the one that typed it; the signed carry card is the proof.
"""

from __future__ import annotations

from tasks.custody import newest_lines
from tasks.errors import UsageError
from tasks.ledger.store import Ledger
from tasks.run.context import RunContext
from tasks.run.custody import record_event

_BUNDLE, _RECEIPT, _TYPED = "by ", "the receipt, by ", " (typed, not proved)"
_LONGEST_NAME = 200
_MOST_LINES = 1_000


def read_carrier(name: str | None) -> str | None:
    """Read the name that a person typed; None if none was given.

    Raises:
        UsageError: It is empty or too long.
    """
    if name is None:
        return None
    words = " ".join(name.split())
    if not words:
        raise UsageError(reason="--carried-by needs a name: it stands in the custody log")
    if len(words) > _LONGEST_NAME:
        raise UsageError(reason=f"--carried-by: at most {_LONGEST_NAME} characters")
    return words


def record_carrier(
    run: RunContext, bundle: str, digest: str, *, name: str | None, is_receipt: bool = False
) -> None:
    """Record who carried a bundle, or its receipt; the same again is no second line.

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
    text = f"{_RECEIPT if is_receipt else _BUNDLE}{name}{_TYPED}"
    if not any(
        (line.event, line.digest, line.text) == ("carried", digest, text)
        for line in newest_lines(run.ledger, _MOST_LINES)
    ):
        record_event(run, "carried", text, bundle=bundle, digest=digest)


def read_carriers(ledger: Ledger) -> dict[str, str]:
    """Return the newest name that was typed for each bundle, by the bundle's name."""
    carriers: dict[str, str] = {}
    for line in newest_lines(ledger, _MOST_LINES):
        if line.event == "carried" and line.text.startswith(_BUNDLE):
            name = line.text.removeprefix(_BUNDLE).removesuffix(_TYPED)
            carriers.setdefault(line.bundle, name)
    return carriers
