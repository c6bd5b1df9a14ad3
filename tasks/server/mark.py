"""The mark on the server: which bundle came last, kept where no bundle can write.

State that is lost, or set back, on one of the two is seen by comparing both. On the disconnected
side a server that is further than the state folder knows stops everything; a state folder that is
further is said. On the staging side, where the mark is of the bundle that was committed last, no
number that it has passed is taken again.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.bundle.header import ChainId, Header, SequenceNumber
from tasks.content.fields import Blake3Field
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.names import SiteName
from tasks.refusals import ChainError, ServerUnfitError
from tasks.run.context import RunContext

_LIMIT_BYTES = 10_000


class Mark(BaseModel):
    """One line of JSON in our folder on the server."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    site: SiteName
    chain: ChainId
    sequence: SequenceNumber
    header_digest: Blake3Field


def mark_of(header: Header) -> Mark:
    """The mark that a bundle leaves."""
    return Mark(
        site=header.site,
        chain=header.chain,
        sequence=header.sequence,
        header_digest=header.digest,
    )


def write_mark(run: RunContext, mark: Mark) -> None:
    """Leave the mark of a bundle that is about to be sealed, or remembered as imported."""
    run.server.make_private_folder(run.folders.mark.parent)
    write_atomic(run.server, run.folders.mark, [mark.model_dump_json().encode()])


def highest_marked(run: RunContext) -> int:
    """The number of the bundle that was committed last on this staging server; 0 without a mark.

    Raises:
        ServerUnfitError: The mark cannot be read.
    """
    mark = _read(run)
    return 0 if mark is None else mark.sequence


def compare_mark(run: RunContext) -> None:
    """Compare the mark with what this side remembers.

    Raises:
        ChainError: The server is further than this state folder knows, or follows another chain.
        ServerUnfitError: The mark cannot be read.
    """
    mark, newest = _read(run), run.imports.newest()
    if mark is None:
        if newest is not None and newest.status == "done":
            run.report.notice(
                f"the server bears no mark, and bundle {newest.sequence} was imported last: it "
                "seems to have been set back"
            )
        return
    known = newest.sequence if newest else 0
    chain = run.ledger.chain
    if mark.sequence > known or (chain is not None and mark.chain != chain):
        raise ChainError(
            reason=f"the server bears the mark of bundle {mark.sequence} of chain {mark.chain}; "
            f"this state folder knows chain {chain or 'none'} up to bundle {known}",
            remedy="Restore the state folder from its backup. Only if its loss is explained, move "
            f"{run.folders.mark} on the server aside and import a bundle of `export --full`.",
        )
    _require_known(run, mark)
    if newest is not None and newest.status == "done" and mark.sequence < known:
        run.report.notice(
            f"the server bears the mark of bundle {mark.sequence}, and bundle {known} was imported "
            "last: it seems to have been set back"
        )


def _require_known(run: RunContext, mark: Mark) -> None:
    """See that the mark is of the very bundle that was imported here under its number.

    Raises:
        ChainError: It is of another one.
    """
    known = {record.sequence: record.header_digest for record in run.imports.all()}
    digest = known.get(mark.sequence)
    if digest is not None and digest != mark.header_digest:
        raise ChainError(
            reason=f"the server bears the mark of a bundle {mark.sequence} with header digest "
            f"{mark.header_digest.short}; the one imported here has {digest.short}",
            remedy="Another state folder imports into this server, or this one was set back. Find "
            "out which, before anything more is imported.",
        )


def _read(run: RunContext) -> Mark | None:
    if run.server.stat(run.folders.mark) is None:
        return None
    content = read_limited(run.server, run.folders.mark, limit_bytes=_LIMIT_BYTES)
    try:
        return Mark.model_validate_json(content)
    except ValidationError as error:
        raise ServerUnfitError(
            side=run.site.side.value,
            reason=f"{run.folders.mark} on it is no mark of ours",
            remedy="Restore that file from a backup of the server, or move it aside if it is "
            "known what happened to it.",
        ) from error
