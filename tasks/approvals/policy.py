"""The rules of a site for approvals in its imports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from tasks.names import Count

Share = Annotated[float, Field(ge=0, le=1)]

SHARE_FROM = 10
"""Smallest number of changes to which a share applies; a share of fewer means little."""


class ApprovalPolicy(BaseModel):
    """The site's rules; every default is the cautious one.

    Attributes:
        min_deadline_days: An approval is held if its deadline is nearer than this at the time of
            the import.
        licence_terms: Hold approvals until a person has accepted the terms here, or accept them
            because the staging side did.
        max_removals: Approvals taken away, or turned into a block or an uninstall, in one import.
        max_declines: Declines of updates that are approved here.
        max_undeclines: Declines taken back.
        max_uninstalls: Approvals to uninstall; on a first import only of updates approved here.
        max_share: Limit for each of these four as a share of all decisions of its kind; it applies
            from ``SHARE_FROM`` changes on.
        max_lost_share: Share of the decisions last applied here that may be gone without our
            doing.
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
