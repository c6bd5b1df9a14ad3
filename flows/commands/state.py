"""Commands that show the state of a side."""

from __future__ import annotations

from flows.commands.options import DEFAULT_SITE, Answer, Flag, Json, SitePath
from flows.commands.site_work import at_site, utc_now
from tasks.reports.terminal import show_steps


def status(*, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Show chain, baseline, last runs, parked approvals and locks.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.server.status import read_status

    show_steps()
    return at_site("status", site, None, lambda checked: read_status(checked.name, clock=utc_now))


def history(
    *, site: SitePath = DEFAULT_SITE, csv: Flag = False, verify: Flag = False, json: Json = False
) -> Answer:
    """Show the runs and the chain of this side, and prove its custody log.

    Args:
        site: The site file.
        csv: Print runs, chain and custody log as one table of CSV.
        verify: Prove the custody log; ends with 3 if it was changed.
        json: Print one JSON document.
    """
    from tasks.inspection.history import show_history

    return at_site(
        "history",
        site,
        None,
        lambda checked: show_history(checked.name, as_csv=csv, verify=verify, clock=utc_now),
    )


def probe(*, site: SitePath = DEFAULT_SITE, json: Json = False) -> Answer:
    """Either side: read a real server, compare it with what we believe, and write it into a file.

    Args:
        site: The site file.
        json: Print one JSON document.
    """
    from tasks.probing.command import probe as probe_server

    show_steps()
    return at_site("probe", site, None, lambda checked: probe_server(checked.name, clock=utc_now))
