"""The rules of a site for approvals in its imports."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from tasks.names import Count

Share = Annotated[float, Field(ge=0, le=1)]

SHARE_FROM = 10
"""Smallest number of changes to which a share applies; a share of fewer means little."""


_MOST_SHIFT_DAYS = 3_650
_DEADLINES = 'expected "keep", "drop" or { shift_days = N } with whole days'


class ShiftedDeadlines(BaseModel):
    """A rule that moves every deadline by a number of days; negative: to an earlier day."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shift_days: int


def _deadline_rule(value: object) -> object:
    if value in ("keep", "drop") or isinstance(value, ShiftedDeadlines):
        return value
    days = value.get("shift_days") if isinstance(value, dict) and len(value) == 1 else None
    if isinstance(days, bool) or not isinstance(days, int):
        raise ValueError(_DEADLINES)  # noqa: TRY004  pydantic reports only this type in our words
    if abs(days) > _MOST_SHIFT_DAYS:
        raise ValueError(f"shift_days is at most {_MOST_SHIFT_DAYS} either way, found {days}")
    return ShiftedDeadlines(shift_days=days)


Deadlines = Literal["keep", "drop"] | ShiftedDeadlines


class ApprovalPolicy(BaseModel):
    """The site's rules; every default is the cautious one.

    Attributes:
        approvals: Apply the plan; only list it, for people who approve here themselves; or make
            none, for sites that take metadata and content alone.
        deadlines: Keep the deadlines of staging, drop them, or move them all by a number of days.
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

    approvals: Literal["apply", "list", "none"] = "apply"
    deadlines: Annotated[Deadlines, BeforeValidator(_deadline_rule)] = "keep"
    min_deadline_days: Count = 7
    licence_terms: Literal["hold", "accept"] = "hold"
    max_removals: Count = 100
    max_declines: Count = 500
    max_undeclines: Count = 100
    max_uninstalls: Count = 50
    max_share: Share = 0.25
    max_lost_share: Share = 0.25
