"""Options that several commands have, with their names and variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tasks.reports.model import CommandReport

SitePath = Annotated[Path, Parameter(name="--site", env_var="WSUS_AIRGAP_SITE")]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Flag = Annotated[bool, Parameter(negative="")]
TakeOver = Annotated[str | None, Parameter(name="--take-over", metavar="REASON")]
Confirm = Annotated[str | None, Parameter(metavar="DIGEST")]
Reason = Annotated[str | None, Parameter(metavar="REASON")]
Carrier = Annotated[str | None, Parameter(name="--carried-by", metavar="NAME")]
Group = Annotated[str | None, Parameter(metavar="PATH")]
Day = Annotated[str | None, Parameter(metavar="DATE")]
Bundles = Annotated[list[Path] | None, Parameter(negative="")]
Answer = CommandReport | int
DEFAULT_SITE = Path("site.toml")
AcceptFinding = Annotated[
    tuple[str, ...], Parameter(name="--accept-finding", negative="", metavar="ID=REASON")
]
