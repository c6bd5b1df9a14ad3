"""A finding of a check: one fact that somebody should look at, with evidence and next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from tasks.checks.error_reference import entry_of
from tasks.checks.evidence import evidence_line

FindingSeverity = Literal["note", "warning", "failure"]
"""The weight of a finding: worth knowing, to be looked at, or keeps the server from its work."""

FindingId = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
"""A stable name, lower-case words and dashes; an entry of the error reference has the same."""

_RANK: dict[FindingSeverity, int] = {"failure": 0, "warning": 1, "note": 2}


class Finding(BaseModel):
    """One finding.

    Attributes:
        evidence: The value or log line that shows it, redacted and in one line.
        meaning: One sentence for a person who has never seen a log of WSUS.
        next_step: The first thing to do or to look at.
        document: The document that the finding rests on.
        consequence_of: Ids of the findings in the same check that explain this one; empty if it is
            a cause itself, or nothing explains it.
        accepted: Reason of the person who accepted it (``--accept-finding``); None if nobody did.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )

    id: FindingId
    severity: FindingSeverity
    evidence: Annotated[str, AfterValidator(evidence_line)]
    meaning: str
    next_step: str
    document: str | None = None
    consequence_of: tuple[str, ...] = ()
    accepted: str | None = None


def finding_of(
    entry_id: str, *, evidence: str, severity: FindingSeverity | None = None, next_step: str = ""
) -> Finding:
    """Make the finding of an entry of the error reference.

    Args:
        entry_id: The entry's id, which the finding carries.
        evidence: The value or log line that was seen.
        severity: Another severity than the entry's.
        next_step: Another next step than the entry's first check.
    """
    entry = entry_of(entry_id)
    return Finding(
        id=entry.id,
        severity=severity or severity_of(entry.severity.name),
        evidence=evidence,
        meaning=entry.meaning,
        next_step=next_step or entry.first_check,
        document=entry.source,
    )


def severity_of(name: str) -> FindingSeverity:
    """Return the severity of a name in any case."""
    severities: dict[str, FindingSeverity] = {severity: severity for severity in _RANK}
    return severities[name.lower()]


def is_at_least(severity: FindingSeverity, limit: FindingSeverity) -> bool:
    """Return True if a severity is as grave as a limit, or graver."""
    return _RANK[severity] <= _RANK[limit]


def gravest_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort by severity; among equals causes come before consequences, else the order stays."""
    return tuple(
        sorted(
            findings, key=lambda finding: (_RANK[finding.severity], bool(finding.consequence_of))
        )
    )
