"""Head of the custody log as the mark on the server names it."""

from __future__ import annotations

from contextlib import suppress

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.custody import CustodyHead
from tasks.hosts.small_files import read_limited
from tasks.names import Count
from tasks.run.context import RunContext

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
