"""Steps of ``tidy``: retention on either side."""

from __future__ import annotations

from tasks.flow_run import current_run
from tasks.logs import log
from tasks.step import step
from tasks.upkeep.retention import Expired
from tasks.upkeep.tidy import describe_tidy, lock_for, plan_tidy, remove_expired


@step("Find what is old")
def find_what_is_old() -> tuple[Expired, ...]:
    """List what is older than the site file allows; changes nothing."""
    run = current_run()
    items = plan_tidy(run)
    run.report.sections.append(describe_tidy(items))
    run.report.lines.append(f"{len(items)} older than [retention] allows")
    return items


@step("Remove it")
def remove_it(items: tuple[Expired, ...]) -> None:
    """Remove what was found; an item that cannot be removed flags the run.

    Refuses: ``lock``, ``wsusutil-running``.
    """
    run = current_run()
    lock_for(run, items)
    removed = remove_expired(run.server, run.report, items)
    run.report.lines.append(f"{removed} removed")
    log.info("removed %s of %s", removed, len(items))
