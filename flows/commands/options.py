"""Options that several commands have, with their names and variables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tasks.errors import UsageError
from tasks.reports.model import CommandReport

SitePath = Annotated[Path, Parameter(name="--site", env_var="WSUS_AIRGAP_SITE")]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
TakeOver = Annotated[str | None, Parameter(name="--take-over")]
Bundles = Annotated[list[Path], Parameter(negative="")]
Answer = CommandReport | int
DEFAULT_SITE = Path("site.toml")
AcceptFinding = Annotated[tuple[str, ...], Parameter(name="--accept-finding", negative="")]


def accepted_findings(words: Sequence[str]) -> dict[str, str]:
    """Read ``ID=REASON`` of ``--accept-finding``: reasons by the id of a finding.

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
