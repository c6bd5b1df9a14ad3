"""The commands of the person who decides: held, parked, decide. None starts Prefect."""

from __future__ import annotations

from flows.commands.options import (
    DEFAULT_SITE,
    Answer,
    Day,
    Flag,
    Group,
    Json,
    Reason,
    SitePath,
)
from flows.commands.site_work import at_site, utc_now
from tasks.names import Side


def list_held(*, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Disconnected side: list what waits for a person or a policy, and what lets each go.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.run.waiting_report import read_waiting

    return at_site(
        "held",
        site,
        Side.DISCONNECTED,
        lambda checked: read_waiting(checked.name, "held", clock=utc_now),
    )


def list_parked(*, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Disconnected side: list the approvals that wait for content, with the files.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.run.waiting_report import read_waiting

    return at_site(
        "parked",
        site,
        Side.DISCONNECTED,
        lambda checked: read_waiting(checked.name, "parked", clock=utc_now),
    )


def decide(
    *words: str,
    site: SitePath = DEFAULT_SITE,
    reason: Reason = None,
    group: Group = None,
    until: Day = None,
    revoke: Flag = False,
    json: Json = False,
) -> Answer:
    """Disconnected side: decide about updates that wait; in force at the next import or audit.

    Args:
        words: KB articles or ids of updates, then the decision: accept-licence, apply, reject
            (never apply it) or acknowledge (it alone no longer flags a run).
        site: The site file.
        reason: Why; it stands in the record, with your account and the time.
        group: Only for this group, as a path below All Computers. Left out: for every group in
            which the updates wait.
        until: The last day on which it is in force, like 2031-05-31.
        revoke: Revoke such decisions; without one all that are in force about the updates.
        json: Print one JSON document.
    """
    from tasks.importing.deciding import Given, carry_out, split_words

    names, kind = split_words(words)
    given = Given(names, kind, reason, group, until, revoke)
    return at_site(
        "decide",
        site,
        Side.DISCONNECTED,
        lambda checked: carry_out(checked.name, given, clock=utc_now),
    )
