"""Which run a ``wsusutil`` on a server belongs to: by its command line, or by its job folder.

Every log of ours lies in ``<work folder>/runs/<site>-<piece of work>/`` under a name that no other
run has. So whoever sees the process, of whatever site and work folder, knows whose it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from tasks.refusals import WsusutilRunningError

_FOLDER = re.compile(r"(?P<site>.+)-(?:export|import)-\d+(?:-[0-9a-f]{16}){0,2}")
# Before the names told the run, they told the time.
_STEM = (
    r"(?P<verb>export|import)-(?:(?P<run>\d{8}T\d{6}Z-[a-z]+-[0-9a-f]{6})|\d{8}T\d{6}Z)"
    r"-[0-9a-f]{16}"
)
_NAMES = re.compile(_STEM)
_LOG = re.compile(rf"[\\/]runs[\\/](?P<folder>[^\\/]+)[\\/](?P<stem>{_STEM})\.log\.xml")
_COMMAND_CHARACTERS = 200
REMEDY = (
    "Let it end; until then leave WsusService alone, which wsusutil stops and starts itself. "
    "Then run the same command again."
)


class Process(BaseModel):
    """A ``wsusutil`` in the server's process list, as ``control-service`` names it. Untrusted."""

    model_config = ConfigDict(frozen=True)

    process_id: int = Field(ge=0)
    command_line: str
    since: AwareDatetime | None


class Running(BaseModel):
    """A ``wsusutil`` at work on the server.

    Attributes:
        what: The subject of a sentence: whose it is, and what it does.
        since: When it was started, by the server's clock; None when the server does not say.
        stem: What the names of its job folder and log share; empty when it is not ours.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    since: datetime | None
    stem: str = ""

    @property
    def sentence(self) -> str:
        """The fact, as a person reads it."""
        since = "" if self.since is None else f" since {self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"{self.what} is still working{since}"


def of_job(folder: str, stem: str, since: datetime | None) -> Running:
    """Name a job of ours by its run folder and the stem of its names."""
    names, of_site = _NAMES.fullmatch(stem), _FOLDER.fullmatch(folder)
    verb = f" {names['verb']}" if names else ""
    run = names["run"] if names and names["run"] else folder
    site = f" of site {of_site['site']}" if of_site else ""
    return Running(what=f"wsusutil{verb} of run {run}{site}", since=since, stem=stem)


def of_process(process: Process) -> Running:
    """Name a process: a job of ours by its log, any other by its command line."""
    log = _LOG.search(process.command_line)
    if log is not None:
        return of_job(log["folder"], log["stem"], process.since)
    told = process.command_line[:_COMMAND_CHARACTERS]
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in told)
    command = f": {shown}" if shown else ""
    return Running(
        what=f"a wsusutil that is not ours (process {process.process_id}{command})",
        since=process.since,
    )


def refusal(running: Sequence[Running]) -> WsusutilRunningError:
    """Make the refusal to go on beside these, of which there is at least one."""
    return WsusutilRunningError(reason="; ".join(each.sentence for each in running), remedy=REMEDY)
