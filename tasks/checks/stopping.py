"""The table of what stops which command.

A requirement of a crossing stops its commands whatever the site file says, and cannot be accepted;
that the staging server is another one is the exception (``accepting.rebuilt_staging``).
Every other finding stops export and import from the severity ``[check] stop_at`` on, unless a
person accepts it; a finding that the command itself cures never does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from tasks.checks.facts.gathered import Facts
from tasks.checks.finding import Finding, FindingSeverity, is_at_least
from tasks.checks.judgement import Judgement
from tasks.checks.rules.requirements import LEAST_ROOM_BYTES, settings_that_differ
from tasks.errors import AirGapError, PathMissingError
from tasks.names import Side
from tasks.refusals import (
    CheckFindingError,
    RoomError,
    ServerChangedError,
    ServerUnfitError,
    SettingsDifferError,
)

Refusal = Callable[[Sequence[Finding], Facts], AirGapError]

CHECKING = ("export", "import")
"""Commands that run the whole check first, and stop by ``[check] stop_at``."""

_ALL = ("export", "import", "audit")


def _unfit(findings: Sequence[Finding], facts: Facts) -> AirGapError:
    return ServerUnfitError(
        side=facts.side.value,
        reason="; ".join(_as_reason(finding.meaning) for finding in findings),
        remedy=findings[0].next_step,
    )


def _as_reason(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _changed(findings: Sequence[Finding], facts: Facts) -> AirGapError:
    del facts
    return ServerChangedError(reason=findings[0].evidence, remedy=findings[0].next_step)


def _folder(findings: Sequence[Finding], facts: Facts) -> AirGapError:
    """Make the refusal of a content folder: 64 if the site file of staging names it, else 4."""
    folder = facts.own.content_folder
    if folder is not None and folder.named_by == "site file" and facts.side is Side.STAGING:
        return PathMissingError(what="the content folder (server.content_dir)", path=folder.path)
    return ServerUnfitError(
        side=facts.side.value, reason=findings[0].evidence, remedy=findings[0].next_step
    )


def _no_room(findings: Sequence[Finding], facts: Facts) -> AirGapError:
    del findings
    volume = facts.server.content_volume if facts.server else None
    return RoomError(
        where=f"the content disk of the {facts.side} server",
        free_bytes=volume.free_bytes if volume else 0,
        needed_bytes=LEAST_ROOM_BYTES,
    )


def _settings(findings: Sequence[Finding], facts: Facts) -> AirGapError:
    del findings
    differences = settings_that_differ(facts)
    return SettingsDifferError(
        differences="; ".join(difference.sentence for difference in differences),
        remedy=" ".join(difference.remedy for difference in differences),
    )


@dataclass(frozen=True, slots=True)
class Requirement:
    """Findings that stop some commands whatever the site file says.

    Attributes:
        findings: Their ids. Those that are there make one refusal.
        commands: Commands that they stop.
        make_refusal: Makes the refusal.
    """

    findings: tuple[str, ...]
    commands: tuple[str, ...]
    make_refusal: Refusal


# In the order in which a command refuses.
REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        (
            *("server-replica", "server-downstream", "server-synchronising"),
            *("content-not-stored", "content-on-share"),
        ),
        _ALL,
        _unfit,
    ),
    Requirement(("server-changed",), _ALL, _changed),
    Requirement(("content-folder",), _ALL, _folder),
    Requirement(("content-disk-full",), _ALL, _no_room),
    Requirement(("settings-differ",), ("import",), _settings),
    Requirement(("staging-server-changed",), ("import",), _changed),
)
REQUIRED = frozenset(name for requirement in REQUIREMENTS for name in requirement.findings)

# Findings that the command itself cures.
CURED: Mapping[str, tuple[str, ...]] = {
    "bundle-old": ("export", "import"),
    # The next bundle may bring what could not be downloaded behind the gap.
    "downloads-failed": ("import",),
    "content-download": ("import",),
}


def require(
    command: str, judgement: Judgement, facts: Facts, *, excused: Collection[str] = ()
) -> None:
    """Refuse a command whose requirements are not met.

    Args:
        command: Name of the command, for example ``import``.
        judgement: Findings of the check.
        facts: The facts that they rest on.
        excused: Findings that a person excuses by an option of the command.

    Raises:
        ServerUnfitError, ServerChangedError, PathMissingError, RoomError, SettingsDifferError: By
            the table; the first requirement that is not met refuses.
    """
    for requirement in REQUIREMENTS:
        findings = [
            finding
            for finding in judgement.findings
            if finding.id in requirement.findings and finding.id not in excused
        ]
        if findings and command in requirement.commands:
            raise requirement.make_refusal(findings, facts)


def stopping(
    command: str,
    judgement: Judgement,
    *,
    stop_at: FindingSeverity,
    accepted: Mapping[str, str],
) -> tuple[Finding, ...]:
    """List the findings that stop a command by ``[check] stop_at``, gravest first.

    Args:
        command: Name of the command.
        judgement: Findings of the check.
        stop_at: The site's limit.
        accepted: Reasons of a person by id of finding (``--accept-finding``).
    """
    if command not in CHECKING:
        return ()
    return tuple(
        finding
        for finding in judgement.findings
        if is_at_least(finding.severity, stop_at)
        and finding.id not in accepted
        and not set(finding.consequence_of) & accepted.keys()
        and command not in CURED.get(finding.id, ())
    )


def refuse_findings(findings: Sequence[Finding], side: Side) -> CheckFindingError:
    """Make the refusal of findings that stop a command; the first is the cause that is named."""
    first, *others = findings
    return CheckFindingError(
        side=side.value,
        finding=first.id,
        meaning=_as_reason(first.meaning),
        evidence=first.evidence,
        others=f"; besides: {', '.join(finding.id for finding in others)}" if others else "",
        remedy=f"{first.next_step} Or, if that is to wait, run it again with "
        f"--accept-finding {first.id}=REASON for each finding.",
    )
