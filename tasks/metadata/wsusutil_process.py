"""Find the run to which a ``wsusutil`` process on a server belongs.

Our logs are in ``<work folder>/runs/<site>-<piece of work>/``, and their names contain the id of
the run. So the command line of the process, which names the log, identifies site and run; runs of
other sites and other work folders are recognised too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tasks.refusals import WsusutilRunningError

_FOLDER = re.compile(r"(?P<site>.+)-(?:export|import|reset)-\d+(?:-[0-9a-f]{16}){0,2}")
# Version 0.1.0 put the time into the names instead of the id of the run.
_STEM = (
    r"(?P<verb>export|import|reset)-(?:(?P<run>\d{8}T\d{6}Z-[a-z]+-[0-9a-f]{6})|\d{8}T\d{6}Z)"
    r"-[0-9a-f]{16}"
)
_NAMES = re.compile(_STEM)
_LOG = re.compile(rf"[\\/]runs[\\/](?P<folder>[^\\/]+)[\\/](?P<stem>{_STEM})\.log\.xml")
_COMMAND_CHARACTERS = 200
# Lists approvals that have no effect, and changes nothing (Microsoft's page on wsusutil). Our own
# check asks it, and nothing has to wait for it.
READ_ONLY_VERB = "listinactiveapprovals"
_READ_ONLY = re.compile(rf'.*[\s"]{READ_ONLY_VERB}"?\s*', re.IGNORECASE | re.DOTALL)
# TechNet dd939911: the service is shut down during an import or export. Messages of wsusutil 10.0
# name only the import.
REMEDY = (
    "Let it end; until then leave WsusService alone, which wsusutil stops and starts itself. "
    "Then run the same command again."
)


class Process(BaseModel):
    """A ``wsusutil`` in the server's process list, from ``control-service``. Untrusted."""

    model_config = ConfigDict(frozen=True)

    process_id: int = Field(ge=0)
    command_line: str
    since: AwareDatetime | None


class Running(BaseModel):
    """A ``wsusutil`` at work on the server.

    Attributes:
        what: The subject of a sentence, with the verb and the run of the process.
        since: Time of its start, by the server's clock; None if the server does not report it.
        stem: The common stem of the names of job folder and log; empty if it is not ours.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    since: datetime | None
    stem: str = ""

    @property
    def sentence(self) -> str:
        """A sentence for a person."""
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.what} is still working{since}"


def is_read_only(process: Process) -> bool:
    """True for a ``wsusutil`` that only reads, whoever started it."""
    return _READ_ONLY.fullmatch(process.command_line) is not None


def of_job(folder: str, stem: str, since: datetime | None) -> Running:
    """Describe a job of ours by its run folder and the stem of its names."""
    stem_match, folder_match = _NAMES.fullmatch(stem), _FOLDER.fullmatch(folder)
    verb = f" {stem_match['verb']}" if stem_match else ""
    run = stem_match["run"] if stem_match and stem_match["run"] else folder
    site = f" of site {folder_match['site']}" if folder_match else ""
    return Running(what=f"wsusutil{verb} of run {run}{site}", since=since, stem=stem)


def of_process(process: Process) -> Running:
    """Describe a process: a job of ours by its log, any other by its command line."""
    log = _LOG.search(process.command_line)
    if log is not None:
        return of_job(log["folder"], log["stem"], process.since)
    shortened = process.command_line[:_COMMAND_CHARACTERS]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shortened)
    command = f": {shown}" if shown else ""
    return Running(
        what=f"a wsusutil that is not ours (process {process.process_id}{command})",
        since=process.since,
    )


def refusal(running: Sequence[Running]) -> WsusutilRunningError:
    """Make the refusal to go on while these run; there is at least one."""
    reason = "; ".join(process.sentence for process in running)
    return WsusutilRunningError(reason=reason, remedy=REMEDY)
