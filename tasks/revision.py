"""Key of one revision of one update in every package: UpdateId and RevisionNumber."""

from __future__ import annotations

from typing import NamedTuple


class RevisionId(NamedTuple):
    """One revision of one update. ``update_id`` is a GUID in lower case with dashes."""

    update_id: str
    revision: int
