"""Comparison of a firewall's export with the domains that Microsoft documents."""

from __future__ import annotations

from pathlib import Path

from tasks.checks.domains import AS_OF, DOMAINS, SOURCE, not_named_in
from tasks.errors import PathMissingError
from tasks.reports.model import CommandReport

_MOST_BYTES = 64 * 1_048_576


def compare_firewall(site: str, path: Path) -> CommandReport:
    """List the documented domains that a firewall's export does not name; flagged if there are any.

    Args:
        site: Name of the site.
        path: The export, as text.

    Raises:
        PathMissingError: The file is not there.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise PathMissingError(what="the firewall's export", path=path)
    with path.open("rb") as stream:
        text = stream.read(_MOST_BYTES).decode("utf-8", "replace")
    missing = not_named_in(text)
    lines = [f"{len(DOMAINS) - len(missing)} of {len(DOMAINS)} documented domains are named"]
    lines += [f"not named: {domain}" for domain in missing]
    lines.append(
        f"The list is that of {SOURCE}, {AS_OF}; Microsoft revises it. Allow by name: Microsoft "
        "supports no rules by address."
    )
    return CommandReport(
        command="check",
        site=site,
        exit_code=2 if missing else 0,
        lines=tuple(lines),
        details={"missing_domains": [*missing]},
        next_step="Allow what is not named, or see why it is not needed." if missing else None,
    )
