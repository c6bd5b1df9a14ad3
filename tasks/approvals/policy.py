"""What a site allows its imports to do with approvals."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ApprovalPolicy(BaseModel):
    """The site's rules; every default is the cautious one.

    Attributes:
        min_deadline_days: A deadline nearer than this, when it would be applied, is held.
        licence_terms: Hold approvals until a person has accepted the terms here, or accept them
            because the staging side did.
        max_removals: Approvals taken away, or turned into a block or an uninstall, in one import.
        max_declines: Updates declined that are approved here.
        max_undeclines: Declines taken back.
        max_uninstalls: Approvals to uninstall; on a first import only of updates approved here.
        max_share: Each of these four, as a share of what there is of its kind; counts only from
            ``share_from`` on.
        max_lost_share: How much of what was last applied here may be gone by itself.
        share_from: Below this number a share says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_deadline_days: int = Field(default=7, ge=0)
    licence_terms: Literal["hold", "accept"] = "hold"
    max_removals: int = Field(default=100, ge=0)
    max_declines: int = Field(default=500, ge=0)
    max_undeclines: int = Field(default=100, ge=0)
    max_uninstalls: int = Field(default=50, ge=0)
    max_share: float = Field(default=0.25, ge=0, le=1)
    max_lost_share: float = Field(default=0.25, ge=0, le=1)
    share_from: int = Field(default=10, ge=1)
