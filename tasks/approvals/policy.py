"""What a site allows its imports to do with approvals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.names import Count

Share = Annotated[float, Field(ge=0, le=1)]

SHARE_FROM = 10
"""Below this number a share says nothing."""


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
            ``SHARE_FROM`` on.
        max_lost_share: How much of what was last applied here may be gone by itself.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_deadline_days: Count = 7
    licence_terms: Literal["hold", "accept"] = "hold"
    max_removals: Count = 100
    max_declines: Count = 500
    max_undeclines: Count = 100
    max_uninstalls: Count = 50
    max_share: Share = 0.25
    max_lost_share: Share = 0.25
