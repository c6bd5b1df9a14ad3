"""Findings that a person accepts, as ``--accept-finding ID=REASON`` names them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.errors import UsageError


def read_accepted(words: Iterable[str]) -> dict[str, str]:
    """Read ``ID=REASON``: reasons by the id of a finding.

    Raises:
        UsageError: One has no id or no reason.
    """
    accepted = {}
    for word in words:
        finding, equals, reason = word.partition("=")
        if not (equals and finding.strip() and reason.strip()):
            raise UsageError(
                reason=f"--accept-finding takes ID=REASON, found {word}; the reason stands in the "
                "report"
            )
        accepted[finding.strip()] = reason.strip()
    return accepted


def rebuilt_staging(accepted: Mapping[str, str], finding: str) -> dict[str, str]:
    """Return a person's word that the staging server was rebuilt, which excuses a requirement.

    Args:
        accepted: Reasons by the id of a finding.
        finding: Id of the finding that says it on this side.
    """
    return {finding: accepted[finding]} if finding in accepted else {}
