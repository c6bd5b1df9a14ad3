"""Tell people about the end of a run, a run that went away, and a chain that went quiet."""

from __future__ import annotations

import sqlite3
from datetime import datetime

from tasks.announcements.occasion import (
    Message,
    crash_message,
    end_message,
    flagged_items,
    late_message,
    message_of,
    occasion_of,
)
from tasks.announcements.sending import send
from tasks.announcements.system_log import Severity, write_system_logs
from tasks.errors import AirGapError
from tasks.ledger.announced import Announced
from tasks.ledger.exports import Exports
from tasks.ledger.imports import Imports
from tasks.ledger.runs import RunRecord
from tasks.ledger.store import Ledger
from tasks.logs import log
from tasks.names import Occasion, Side
from tasks.reports.model import CommandReport
from tasks.site.settings import NotifySection, Site

_SEVERITIES: dict[str, Severity] = {"done": "information", "flagged": "warning"}


def announce_end(
    site: Site, ledger: Ledger, report: CommandReport, *, now: datetime, waits: bool = False
) -> None:
    """Tell people about the end of a run, if it is an occasion that the site file names.

    Never raises for what it could not do: the run has ended, and its outcome stays.

    Args:
        site: The site.
        ledger: Its ledger.
        report: The report of the run.
        now: The time now, UTC.
        waits: True if the run is suspended for somebody's answer.
    """
    try:
        items = flagged_items(report) if report.outcome in ("done", "flagged") else None
        is_news = False
        if items is not None:
            is_news = Announced(ledger).replace(f"flagged-{report.command}", items, now=now)
        write_system_logs(
            site.notify, _SEVERITIES.get(report.outcome, "error"), end_message(report, waits=waits)
        )
        occasion = occasion_of(report, is_news=is_news)
        if occasion is not None:
            _tell(site.notify, occasion, message_of(report, occasion, waits=waits))
    except (AirGapError, OSError, sqlite3.Error) as error:
        log.warning("nobody was notified: %s", error)


def announce_crash(site: Site, record: RunRecord) -> None:
    """Tell people about a run whose process went away; the caller sees to it that it is once."""
    message = crash_message(site.name, record.command, record.id)
    write_system_logs(site.notify, "error", message)
    _tell(site.notify, "crashed", message)


def announce_lateness(site: Site, *, now: datetime) -> None:
    """Tell people once that the newest bundle is older than ``trust.max_quiet_days``."""
    if "late" not in site.notify.on or not (site.state_dir / "ledger.sqlite").is_file():
        return
    try:
        with Ledger(site.state_dir) as ledger:
            newest = newest_bundle(ledger, site.side)
            if newest is None:
                return
            name, made = newest
            age_days = (now - made).days
            is_late = age_days > site.trust.max_quiet_days
            if is_late and Announced(ledger).add("late", name, now=now):
                limit = site.trust.max_quiet_days
                message = late_message(site.name, f"{site.name}-{name}", age_days, limit)
                write_system_logs(site.notify, "error", message)
                _tell(site.notify, "late", message)
    except (AirGapError, OSError, sqlite3.Error) as error:
        log.warning("site %s: nobody was notified: %s", site.name, error)


def newest_bundle(ledger: Ledger, side: Side) -> tuple[str, datetime] | None:
    """Return number and time of the newest bundle that this side has sealed, or imported."""
    if side is Side.STAGING:
        sealed = Exports(ledger).newest_sealed()
        return None if sealed is None else (str(sealed.sequence), sealed.sealed or sealed.created)
    imported = Imports(ledger).newest_done()
    return None if imported is None else (str(imported.sequence), imported.created)


def _tell(notify: NotifySection, occasion: Occasion, message: Message) -> None:
    addresses = notify.addresses() if occasion in notify.on else ()
    if addresses:
        send(message, addresses)
