"""Names and plain types that several packages share; each is defined here only."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

UTC_SECOND = "%Y-%m-%dT%H:%M:%SZ"
"""Format of every written time: UTC, whole seconds, like ``2026-01-31T12:00:00Z``."""

SiteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
"""A site's name. It begins the names of bundles, locks and site files, so it has no dot."""

Count = Annotated[int, Field(ge=0)]
"""A number of things, or of bytes."""

Occasion = Literal["failed", "refused", "crashed", "flagged-new", "late"]
"""An event about which people may be notified."""


class Side(StrEnum):
    """Network that a server, a site file or a command belongs to."""

    STAGING = "staging"
    DISCONNECTED = "disconnected"


class Mode(StrEnum):
    """Kind of bundle: ``mirror`` also has the disconnected side delete what staging lacks."""

    INCREMENTAL = "incremental"
    MIRROR = "mirror"
