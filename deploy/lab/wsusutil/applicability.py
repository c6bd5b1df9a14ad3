"""Rules of applicability: the largest part of a real update's XML, of which nothing is read.

The cumulative updates of 2016 to 2022 name every package of Windows in their rules, so that one
document can have 47 MB.
"""

from __future__ import annotations

from collections.abc import Iterator

_BAR = "http://schemas.microsoft.com/msus/2002/12/BaseApplicabilityRules"
_LAR = "http://schemas.microsoft.com/msus/2002/12/LogicalApplicabilityRules"
_OPENING = f'<lar:Or xmlns:lar="{_LAR}">'
_CLOSING = "</lar:Or>"
_PIECE_RULES = 500


def rules(update_id: str, size_bytes: int) -> Iterator[str]:
    """The rules of an update in pieces of some 100 KB.

    Args:
        update_id: The update; its rules differ from those of others.
        size_bytes: The exact size, as far as it is above that of one rule.
    """
    yield _OPENING
    first = _rule(update_id, 0)
    yield first
    remaining = size_bytes - len(_OPENING) - len(first) - len(_CLOSING)
    number = 1
    while remaining >= len(first):
        count = min(_PIECE_RULES, remaining // len(first))
        yield "".join(_rule(update_id, serial) for serial in range(number, number + count))
        number += count
        remaining -= count * len(first)
    yield " " * remaining
    yield _CLOSING


def _rule(update_id: str, number: int) -> str:
    """One rule; all rules have the same length."""
    return (
        f'<bar:RegSzToVersion Key="HKEY_LOCAL_MACHINE" Subkey="SOFTWARE\\Packages\\{update_id[:8]}"'
        f' Value="Package_{number:07d}_for_RollupFix~31bf3856ad364e35~amd64~~" Comparison='
        f'"GreaterThanOrEqualTo" Data="10.0.1.{number % 97:02d}" xmlns:bar="{_BAR}" />'
    )
