"""Rules on room and content: disk, downloads that failed or wait, approvals that come by rule."""

from __future__ import annotations

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding
from tasks.checks.rules.rule import DISCONNECTED, STAGING, Rule, rule
from tasks.quantities import size

_RESET = (
    "`wsus-airgap repair downloads-failed`, which offers `wsusutil reset` if [policy] "
    'wsusutil_reset = "ask".'
)
_LOW_BYTES = 1_073_741_824


@rule("Downloads of content: none failed")
def failed_downloads(facts: Facts) -> Finding | None:
    """Approved updates whose files WSUS gave up on."""
    failed = known(facts.server, "the API of WSUS").failed_downloads
    if not failed:
        return None
    return Finding(
        id="downloads-failed",
        severity="warning",
        evidence=f"GetFailedToDownloadUpdatesCount() = {failed}",
        meaning=f"{failed} approved updates have files that WSUS could not get.",
        next_step=_next_step(facts),
        document="racknotes.pro, WSUS Not Downloading Updates",
    )


def _next_step(facts: Facts) -> str:
    if facts.side in DISCONNECTED:
        return (
            "Run `wsus-airgap audit`: it names the files and the bundle that has to bring them. "
            f"Where all of them lie in place: {_RESET}"
        )
    return (
        "Read the reason in event 364 first; then resume the downloads in the console, and export "
        f"when they have ended. Where that does not help: {_RESET}"
    )


@rule("Downloads of content: none waits", sides=STAGING)
def pending_downloads(facts: Facts) -> Finding | None:
    """A bundle that is made now lacks what is still being downloaded."""
    server = known(facts.server, "the API of WSUS")
    if server.bytes_downloaded >= server.bytes_to_download:
        return None
    done, all_of_it = size(server.bytes_downloaded), size(server.bytes_to_download)
    return Finding(
        id="downloads-pending",
        severity="note",
        evidence=f"{done} of {all_of_it} are downloaded",
        meaning="Content of approved updates is still being downloaded; a bundle made now lacks "
        "it, and its approvals are parked until a later bundle.",
        next_step="Wait until the downloads have ended, or go without that content.",
    )


@rule("Room on the content disk for downloads")
def low_room(facts: Facts) -> Finding | None:
    """A disk that is nearly full; the limit for a run itself is a requirement."""
    server = known(facts.server, "the API of WSUS")
    volume = known(server.content_volume, "the volume of the content folder")
    if volume.free_bytes >= _LOW_BYTES:
        return None
    return Finding(
        id="content-disk-low",
        severity="warning",
        evidence=f"{size(volume.free_bytes)} free on the content disk",
        meaning="The content disk is nearly full; WSUS stops downloading, and an import stops "
        "before it begins, when there is no room.",
        next_step="Make room, or move the content to a larger disk (`wsusutil movecontent`).",
        document="Event ids and English texts in the WSUS 10.0.14393 assemblies (10041, 10042)",
    )


@rule("Automatic approval rules: off", sides=DISCONNECTED)
def approval_rules(facts: Facts) -> Finding | None:
    """Rules approve what an import brings, before anybody decided on it."""
    active = known(facts.server, "the API of WSUS").active_rules
    if not active:
        return None
    return Finding(
        id="approval-rules-active",
        severity="warning",
        evidence=f"{active} automatic approval rules are active on this server",
        meaning="Updates that an import brings can be approved here by a rule, whatever the "
        "staging side decided.",
        next_step="Options, Automatic Approvals: switch the rules off.",
    )


RULES: tuple[Rule, ...] = (
    failed_downloads,
    pending_downloads,
    low_room,
    approval_rules,
)
