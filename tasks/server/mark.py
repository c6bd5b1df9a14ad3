"""Mark on the server: a file of ours that names the newest bundle, where no bundle can write.

Comparing the mark with the ledger reveals that one of them was lost or set back. On the
disconnected side, a mark newer than the ledger stops the run; a ledger newer than the mark only
raises a notice. On the staging side the mark names the bundle committed last, and no sequence
number up to it is used again.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.bundle.header import ChainId, Header, SequenceNumber
from tasks.checks.facts.own import MarkProblem
from tasks.content.fields import Blake3Field
from tasks.custody import CustodyHead, custody_head
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.hosts.small_files import read_limited, write_atomic
from tasks.ledger.imports import Imports
from tasks.names import Count, Side, SiteName
from tasks.refusals import ChainError, ServerUnfitError
from tasks.run.context import RunContext

_LIMIT_BYTES = 10_000
_SET_BACK = (
    "Find out which of the two was restored from a backup. A restored server gets the newest "
    "bundle again; a lost state folder is restored from its own backup."
)


class Mark(BaseModel):
    """Content of the mark file: one line of JSON.

    Attributes:
        custody_count, custody_digest: Number and digest of the newest line of the custody log.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    site: SiteName
    chain: ChainId
    sequence: SequenceNumber
    header_digest: Blake3Field
    custody_count: Count = 0
    custody_digest: str = ""


def mark_of(header: Header, custody: CustodyHead) -> Mark:
    """Return the mark of a bundle, with the head of this side's custody log."""
    return Mark(
        site=header.site,
        chain=header.chain,
        sequence=header.sequence,
        header_digest=header.digest,
        custody_count=custody.count,
        custody_digest=custody.digest,
    )


_REAPPLY = (
    "; `wsus-airgap import BUNDLE --rebuilt reapply` with the newest bundle applies again what it "
    "lost and takes away what staging had taken back; without that, what is lost counts as taken "
    "away by a person, and what is there again as decided by one"
)


def write_mark(server: Host, path: HostPath, mark: Mark) -> None:
    """Write the mark of a bundle that is about to be sealed, or recorded as imported."""
    server.make_private_folder(path.parent)
    write_atomic(server, path, [mark.model_dump_json().encode()])


def renew_custody(run: RunContext, *, anchor: Mark) -> None:
    """Have the mark name the newest line of a custody log that began again.

    A mark keeps its bundle: on the staging side it can be newer than the anchor, and no number up
    to it is used again.

    Args:
        run: The run.
        anchor: The mark to write if the server has none.
    """
    head = custody_head(run.ledger)
    custody = {"custody_count": head.count, "custody_digest": head.digest}
    mark = (read_mark(run) or anchor).model_copy(update=custody)
    write_mark(run.server, run.folders.mark, mark)


def highest_marked(run: RunContext) -> int:
    """Return the number of the bundle committed last on this staging server; 0 without a mark.

    Raises:
        ServerUnfitError: The mark cannot be read.
    """
    mark = read_mark(run)
    return 0 if mark is None else mark.sequence


def compare_mark(run: RunContext) -> None:
    """Compare the mark with the ledger of the disconnected side; notice a server set back.

    Raises:
        ChainError: The mark is newer than the ledger, or of another chain or bundle.
        ServerUnfitError: The mark cannot be read.
    """
    if sentence := _compare(run):
        run.report.notice(sentence)


def is_set_back(run: RunContext) -> bool:
    """Return True if the disconnected server lacks the mark of the import that was finished last.

    Raises:
        ServerUnfitError: The mark cannot be read.
    """
    mark, newest = read_mark(run), run.imports.newest_done()
    return newest is not None and (mark is None or mark.sequence < newest.sequence)


def mark_problem(run: RunContext) -> MarkProblem | None:
    """Compare the mark with the ledger of this side, for a check; None if they agree."""
    try:
        sentence = _compare(run) if run.site.side is Side.DISCONNECTED else _compare_staging(run)
    except (ChainError, ServerUnfitError) as error:
        return MarkProblem(sentence=error.message, next_step=error.next_step, is_refused=True)
    if sentence is None:
        return None
    return MarkProblem(sentence=sentence, next_step=_SET_BACK, is_refused=False)


def _compare_staging(run: RunContext) -> str | None:
    newest, marked = run.exports.newest(), highest_marked(run)
    sequence = newest.sequence if newest else 0
    if marked <= sequence:
        return None
    return (
        f"the server bears the mark of bundle {marked}, and this state folder knows bundles up to "
        f"{sequence}: it seems to have been lost or set back"
    )


def _compare(run: RunContext) -> str | None:
    """Compare on the disconnected side; gives a sentence if the server was set back."""
    mark, newest = read_mark(run), run.imports.newest()
    if mark is None:
        if newest is not None and newest.status == "done":
            return (
                f"the server bears no mark, and bundle {newest.sequence} was imported last: it "
                f"seems to have been set back{_REAPPLY}"
            )
        return None
    sequence = newest.sequence if newest else 0
    chain = run.ledger.chain
    if mark.sequence > sequence or (chain is not None and mark.chain != chain):
        raise ChainError(
            reason=f"the server bears the mark of bundle {mark.sequence} of chain {mark.chain}; "
            f"this state folder knows chain {chain or 'none'} up to bundle {sequence}",
            remedy="Restore the state folder from its backup. Only if its loss is explained, name "
            f"bundle {mark.sequence} to `wsus-airgap site recover`, which re-joins its chain.",
        )
    _require_known(run.imports, mark)
    if newest is not None and newest.status == "done" and mark.sequence < sequence:
        return (
            f"the server bears the mark of bundle {mark.sequence}, and bundle {sequence} was "
            f"imported last: it seems to have been set back{_REAPPLY}"
        )
    return None


def _require_known(imports: Imports, mark: Mark) -> None:
    """Require that the mark names the same bundle that was imported here under its number.

    Raises:
        ChainError: It names another bundle of that number.
    """
    imported = {record.sequence: record.header_digest for record in imports.all()}
    digest = imported.get(mark.sequence)
    if digest is not None and digest != mark.header_digest:
        raise ChainError(
            reason=f"the server bears the mark of a bundle {mark.sequence} with header digest "
            f"{mark.header_digest.short}; the one imported here has {digest.short}",
            remedy="Another state folder imports into this server, or this one was set back. Find "
            "out which, before anything more is imported.",
        )


def read_mark(run: RunContext) -> Mark | None:
    """Read the mark on this side's server; None without one.

    Raises:
        ServerUnfitError: It is no mark of ours.
    """
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
