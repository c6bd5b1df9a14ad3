"""``UpdateScope``, the conditions of a search, as SQL on ``revision r``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from deploy.lab.generate import taxonomy
from deploy.lab.rules import categories

# Values of ApprovedStates, UpdateTypes, UpdateSources, UpdateInstallationStates and
# UpdateApprovalActions.
LATEST_APPROVED, STALE, NOT_APPROVED, DECLINED, ANY = 1, 2, 4, 8, -1
_DRIVERS, _SOFTWARE = 1, 2
_MICROSOFT_UPDATE = 1
_UNKNOWN = 1
_ACTIONS = {1: "Install", 2: "Uninstall"}

# An effective approval installs or removes something; NotApproved only blocks.
_EFFECTIVE = "a.action != 'NotApproved'"
_ANY_APPROVAL = (
    f"EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id AND {_EFFECTIVE})"
)
APPROVED_NOW = (
    "EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id"
    f" AND a.revision = r.revision AND {_EFFECTIVE})"
)
STALE_NOW = (
    "(r.is_latest = 1 AND EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id"
    f" AND a.revision < r.revision AND {_EFFECTIVE}))"
)
_ONLY_OPTIONAL = (
    "(EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id AND a.optional)"
    " AND NOT EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id"
    f" AND {_EFFECTIVE} AND NOT a.optional))"
)
DECLINED_NOW = "EXISTS (SELECT 1 FROM decline d WHERE d.update_id = r.update_id)"


@dataclass(frozen=True, slots=True)
class Scope:
    """``UpdateScope``; bounds are inclusive, and None opens a range.

    Attributes:
        approved_groups: ``ApprovedComputerTargetGroups``: updates approved for one of these.
        approval_groups: ``UpdateApprovalScope.ComputerTargetGroups``; None if it is not set.
        included: ``IncludedInstallationStates``: the state of at least one computer.
        excluded: ``ExcludedInstallationStates``: the state of no computer.
    """

    states: int = ANY
    types: int = ANY
    sources: int = ANY
    actions: int = ANY
    exclude_optional: bool = False
    infrastructure: bool = False
    included: int = ANY
    excluded: int = 0
    arrived_from: str | None = None
    arrived_to: str | None = None
    created_from: str | None = None
    created_to: str | None = None
    includes: str | None = None
    not_includes: str | None = None
    categories: list[str] = field(default_factory=list)
    classifications: list[str] = field(default_factory=list)
    approved_groups: list[str] = field(default_factory=list)
    approval_groups: list[str] | None = None


def conditions(scope: Scope) -> tuple[str, list[Any]]:
    """The scope as a condition on ``revision r``, with the values of its placeholders."""
    parts: list[str] = [_of_states(scope.states), _of_flags(scope)]
    values: list[Any] = []
    for column, bound, sign in (
        ("arrived", scope.arrived_from, ">="),
        ("arrived", scope.arrived_to, "<="),
        ("created", scope.created_from, ">="),
        ("created", scope.created_to, "<="),
    ):
        if bound is not None:
            # The columns have no fractions of seconds, and a bound with one would compare wrongly.
            parts.append(f"r.{column} {'>' if '.' in bound and sign == '>=' else sign} ?")
            values.append(bound.split(".")[0].rstrip("Z") + "Z")
    for text, sign in ((scope.includes, ""), (scope.not_includes, "NOT ")):
        if text:
            parts.append(
                f"{sign}(instr(casefold(r.title || ' ' || r.description || ' KB'"
                " || coalesce(r.kb, '')), ?) > 0)"
            )
            values.append(text.casefold())
    if scope.classifications:
        parts.append(f"r.classification_id IN ({_marks(scope.classifications)})")
        values += scope.classifications
    if scope.categories:
        parts.append(f"r.product_id IN ({categories.below(_marks(scope.categories))})")
        values += scope.categories
    narrower, more = approval_conditions(scope)
    if narrower:
        parts.append(
            "EXISTS (SELECT 1 FROM approval a WHERE a.update_id = r.update_id"
            f" AND {_EFFECTIVE}{narrower})"
        )
        values += more
    return " AND ".join(parts), values


def _of_states(states: int) -> str:
    if states == ANY:
        return "1"
    kinds = {
        LATEST_APPROVED: APPROVED_NOW,
        STALE: STALE_NOW,
        NOT_APPROVED: f"(NOT {DECLINED_NOW} AND NOT {_ANY_APPROVAL})",
        DECLINED: DECLINED_NOW,
    }
    alternatives = [condition for flag, condition in kinds.items() if states & flag]
    return f"({' OR '.join(alternatives)})" if alternatives else "0"


def _of_flags(scope: Scope) -> str:
    parts = ["1"] if scope.sources & _MICROSOFT_UPDATE else ["0"]
    if not scope.types & _DRIVERS:
        parts.append("r.kind != 'driver'")
    if not scope.types & _SOFTWARE:
        parts.append("r.kind != 'software'")
    if scope.infrastructure:
        parts.append(f"r.product_id = '{taxonomy.INFRASTRUCTURE}'")
    if scope.exclude_optional:
        parts.append(f"NOT {_ONLY_OPTIONAL}")
    # No computer reports to the lab, so the state of every update there is unknown.
    if not scope.included & _UNKNOWN or scope.excluded & _UNKNOWN:
        parts.append("0")
    return " AND ".join(parts)


def approval_conditions(scope: Scope) -> tuple[str, list[Any]]:
    """The scope's conditions on an approval ``a``; empty if it has none."""
    text, values = "", []
    if scope.actions != ANY:
        names = [name for flag, name in _ACTIONS.items() if scope.actions & flag]
        text += f" AND a.action IN ({_marks(names)})"
        values += names
    for groups in (scope.approved_groups, scope.approval_groups):
        if groups:
            text += f" AND a.group_id IN ({_marks(groups)})"
            values += groups
    return text, values


def _marks(values: list[str]) -> str:
    return ", ".join("?" * len(values))
