"""Limits by which rules judge; a site sets them in ``[check]`` of its site file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class CheckLimits(BaseModel):
    """The site's limits; ``[check]`` inherits them, and rules read ``facts.own.limits``.

    Attributes:
        max_sync_age_days: Greatest age of the last successful synchronisation.
    """

    model_config = ConfigDict(frozen=True)

    max_sync_age_days: Annotated[int, Field(ge=1)] = 7
