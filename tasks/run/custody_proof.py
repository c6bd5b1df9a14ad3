"""Proof of the custody log, with the head of it that the mark on the server names."""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.custody import CustodyHead, check_log
from tasks.custody.log import LOG
from tasks.errors import AirGapError
from tasks.hosts.small_files import read_limited
from tasks.names import Count
from tasks.quantities import count
from tasks.refusals import CustodyError
from tasks.run.context import RunContext
from tasks.run.keys import own_fingerprint

_LIMIT_BYTES = 10_000


class _MarkedHead(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    custody_count: Count = 0
    custody_digest: str = ""


def marked_head(run: RunContext) -> CustodyHead | None:
    """Return the head that the mark names; None without a mark, or in one of version 0.1.0.

    Raises:
        AirGapError: The server cannot be reached.
    """
    if run.server.stat(run.folders.mark) is None:
        return None
    content = read_limited(run.server, run.folders.mark, limit_bytes=_LIMIT_BYTES)
    with suppress(ValidationError):
        marked = _MarkedHead.model_validate_json(content)
        if marked.custody_count:
            return CustodyHead(marked.custody_count, marked.custody_digest)
    return None


def prove_log(run: RunContext) -> list[str]:
    """Prove the custody log, with the mark on the server if that can be read; say what was proved.

    Raises:
        CustodyError: The log was changed.
        HostFileError: Ledger or log cannot be read.
    """
    marked, unread = None, ""
    try:
        marked = marked_head(run)
    except AirGapError as error:
        unread = f"; the mark on the server could not be read ({error.message})"
    own_key = None
    try:
        own_key = own_fingerprint(run.site)
    except AirGapError as error:
        unread += f"; the key of the newest line was not compared ({error.message})"
    check = check_log(run.ledger, run.site.state_dir, marked=marked, own_key=own_key)
    if check.problems:
        raise CustodyError(path=run.site.state_dir / LOG, reason="; ".join(check.problems))
    torn = "; a kill tore the last one, and the next run completes it" if check.torn else ""
    compared = "" if marked is None else ", and the mark on the server agrees"
    sentence = (
        f"custody log: {count(check.lines, 'line')}, each signed and bound to the one before"
        f"{compared}{torn}{unread}"
    )
    return [sentence]
