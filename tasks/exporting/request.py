"""Request of an export: its options, read and judged before anything is locked or asked."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3
from pydantic import ValidationError

from tasks.bundle.canonical import canonical_json
from tasks.content.names import ContentDigest, ContentName
from tasks.errors import HostFileError, PathMissingError, UsageError
from tasks.ledger.choices import Choices
from tasks.names import Mode
from tasks.quantities import size
from tasks.refusals import WrongSiteError
from tasks.reports.tables import ShoppingList
from tasks.run.context import RunContext
from tasks.site.settings import Site

LIST_LIMIT_BYTES = 67_108_864


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Wishes of a person for an export.

    Attributes:
        mode: Mode of the bundle; None: the mode of the site's policy.
        full: Carry everything, as if the other side had nothing.
        new: Make another bundle even if the last one is still up to date.
        since: Number of the bundle that counts as base, whatever receipts say; None: the baseline.
        bring: Files that the other side asks for, carried although the base has them.
        confirm: Digest of the plan of a rehearsal that this export carries out; None: any plan.
    """

    mode: Mode | None = None
    full: bool = False
    new: bool = False
    since: int | None = None
    bring: tuple[ContentName, ...] = ()
    confirm: str | None = None

    @property
    def bring_digests(self) -> frozenset[ContentDigest]:
        """Content digests of the files that the other side asks for."""
        return frozenset(name.digest for name in self.bring)

    @property
    def bring_identity(self) -> str | None:
        """Digest of the list of files to bring; None without one."""
        if not self.bring:
            return None
        names = sorted(digest.hex for digest in self.bring_digests)
        return blake3(canonical_json(names)).hexdigest()


NO_REQUEST = ExportRequest()


def read_request(
    site: Site,
    *,
    mode: Mode | None,
    full: bool,
    new: bool,
    since: int | None,
    bring: str | None,
) -> ExportRequest:
    """Read the options of an export, and its shopping list.

    Args:
        site: The site file.
        mode: As in ``ExportRequest``.
        full: As in ``ExportRequest``.
        new: As in ``ExportRequest``.
        since: As in ``ExportRequest``.
        bring: Path of the other side's ``shopping-list.json``; None: nothing was asked for.

    Raises:
        UsageError: Two options contradict each other, or the file is no shopping list.
        PathMissingError: There is no such file.
        HostFileError: It cannot be read.
        WrongSiteError: It is another site's.
    """
    if full and since is not None:
        raise UsageError(
            reason="--full carries everything and --since leaves out what a bundle brought",
            remedy="Choose one of the two.",
        )
    names = () if bring is None else _read_list(site, Path(bring))
    return ExportRequest(mode=mode, full=full, new=new, since=since, bring=names)


def record_choices(run: RunContext, request: ExportRequest) -> None:
    """Record in report and ledger what a person chose for this export."""
    choices = Choices(run.ledger)
    if request.since is not None:
        sentence = f"the base is bundle {request.since}, as --since says, whatever receipts say"
        run.report.lines.append(sentence)
        choices.remember(
            run.run_id, "since", sequence=request.since, reason=sentence, now=run.clock()
        )
    if request.bring:
        reason = f"{len(request.bring)} files, list {request.bring_identity}"
        choices.remember(run.run_id, "bring", sequence=None, reason=reason, now=run.clock())


def _read_list(site: Site, path: Path) -> tuple[ContentName, ...]:
    try:
        shopping = ShoppingList.model_validate_json(_read_file(path))
    except ValidationError as error:
        flaw = error.errors(include_url=False)[0]["msg"]
        raise _no_list(path, flaw) from error
    if shopping.site != site.name:
        raise WrongSiteError(what=path, found=shopping.site, expected=site.name)
    names = {file.file: ContentName.parse(file.file) for file in shopping.files}
    unnamed = [text for text, name in names.items() if name is None]
    if unnamed:
        raise _no_list(path, f"{unnamed[0][:100]} is no name of a content file")
    return tuple(sorted((name for name in names.values() if name), key=lambda name: name.order))


def _no_list(path: Path, flaw: str) -> UsageError:
    return UsageError(
        reason=f"{path} is no shopping list: {flaw}",
        remedy="Name the shopping-list.json that lies beside the report of an import or audit.",
    )


def _read_file(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise PathMissingError(what="the shopping list", path=path)
        with path.open("rb") as stream:
            content = stream.read(LIST_LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PathMissingError(what="the shopping list", path=path) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise HostFileError(operation="read", path=path, reason=reason) from error
    if len(content) > LIST_LIMIT_BYTES:
        raise _no_list(path, f"it is larger than {size(LIST_LIMIT_BYTES)}")
    return content
