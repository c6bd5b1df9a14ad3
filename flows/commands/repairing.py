"""The command ``repair``: no flow, for a person at a terminal or with a digest."""

from __future__ import annotations

import sys

from flows.commands.options import DEFAULT_SITE, Answer, Confirm, Flag, Json, SitePath, TakeOver
from flows.commands.site_work import at_site, utc_now
from tasks.reports.model import CommandReport
from tasks.reports.terminal import ask_person, show_steps
from tasks.site.settings import Site


def repair(
    finding: str,
    /,
    *,
    site: SitePath = DEFAULT_SITE,
    confirm: Confirm = None,
    undo: Flag = False,
    take_over: TakeOver = None,
    json: Json = False,
) -> Answer:
    """Either side: carry out the repair that a finding of check offers, after showing it.

    Args:
        finding: The finding's id, as check shows it.
        site: The site file.
        confirm: Digest of the plan that you have read and agree to.
        undo: Put back what that repair changed.
        take_over: Take over a lock whose owner cannot be proved gone, for this reason.
        json: Print one JSON document.
    """
    from tasks.repairs.command import Wish
    from tasks.repairs.command import repair as repair_server

    show_steps()
    is_asked = not json and sys.stdin.isatty() and sys.stderr.isatty()

    def work(checked: Site) -> CommandReport:
        ask = ask_person if is_asked else None
        wish = Wish(finding, is_undo=undo, confirm=confirm, ask=ask)
        return repair_server(checked.name, wish, take_over=take_over, clock=utc_now)

    return at_site("repair", site, None, work)
