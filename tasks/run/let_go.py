"""Ways out for what waits: a sentence for a person, and the command to paste."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tasks.approvals.reasons import Reason
from tasks.approvals.rulings import KINDS_BY_REASON, RulingKind

_WAYS = {
    Reason.CONTENT_MISSING: (
        "Have the next bundle bring its files (shopping-list.json of the last report) and import "
        "it; the approval is then applied by itself"
    ),
    Reason.BUILT_IN_GROUP: "Apply it as it is, or let such approvals through in [groups]",
    Reason.GROUP_LEFT_OUT: "Nothing, unless [groups.map] of the site file takes the group in",
    Reason.GROUPS_DISAGREE: (
        "Have staging approve it alike in both groups, or apply it here with these terms"
    ),
    Reason.REVISION_UNKNOWN: "Import the next bundle, which brings the metadata",
    Reason.EXPIRED: "Microsoft withdrew the update: have staging take its approval back",
    Reason.LICENCE_TERMS: "Read its licence terms in the WSUS console, then accept them",
    Reason.DEADLINE_PAST: "Have staging set a later deadline, or apply it, which installs at once",
    Reason.DEADLINE_NEAR: "Have staging set a later deadline, or apply it all the same",
    Reason.DECLINE_WAITS: (
        "Wait until what replaces it is approved here, or decline it all the same"
    ),
    Reason.REMOVAL_WAITS: (
        "Wait until what replaces it is approved here, or take its approval away all the same"
    ),
    Reason.REJECTED: "A person rejected it; revoke that to have it judged anew",
}


def way_out(reason: Reason) -> str:
    """Say what lets a decision go that waits for a reason."""
    return _WAYS[reason]


def command_for(reason: Reason, names: Iterable[str], site_file: Path) -> str:
    """Return the command that lets decisions go that wait for a reason; it can be pasted.

    Where no ruling helps, it is the command that records that a person has seen them.

    Args:
        reason: The reason.
        names: Ids of their updates.
        site_file: The site file.
    """
    updates = " ".join(names)
    site = f'"{site_file}"' if " " in str(site_file) else str(site_file)
    if reason is Reason.REJECTED:
        return f"wsus-airgap decide {updates} reject --revoke --site {site}"
    kind = KINDS_BY_REASON.get(reason, RulingKind.ACKNOWLEDGE)
    return f'wsus-airgap decide {updates} {kind} --reason "WHY" --site {site}'
