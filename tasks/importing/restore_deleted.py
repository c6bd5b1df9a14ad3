"""Give back what the import of a mirror bundle deleted: from the trash into WsusContent.

Each file is proved by the SHA-1 in its name first, and moved by a rename, as content is placed. A
file that is wrong in the trash, or cannot be moved, stays there and is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from tasks.bundle.layout import bundle_name, is_bundle_name
from tasks.content.copy_item import CopyItem
from tasks.content.place import PlaceItem, content_path, place
from tasks.content.scan import ContentFile, scan
from tasks.content.transfer import copy_files
from tasks.errors import PathMissingError, UsageError
from tasks.hosts.host import Host
from tasks.hosts.paths import HostPath
from tasks.ledger.choices import Choices
from tasks.names import Side
from tasks.progress import Progress
from tasks.quantities import count, size
from tasks.reports.model import CommandReport
from tasks.reports.sections import restored_section
from tasks.run.context import RunContext, open_run_context
from tasks.run.custody import record_event
from tasks.run.ending import record_run
from tasks.server.check import check_requirements
from tasks.server.content_scan import find_content_dir
from tasks.server.wsusutil_run import wait_for_own_wsusutil

_DONE = "given back"
_IN_PLACE = "in place already; the copy stays in the trash"


def restore_deleted(
    site: str,
    bundle: str,
    *,
    clock: Callable[[], datetime],
    progress: Progress,
    take_over: str | None = None,
) -> CommandReport:
    """Give back from the trash what the import of a bundle deleted, in a run of its own.

    Args:
        site: Name of the site.
        bundle: Name, number or folder of the bundle.
        clock: Gives the time now, UTC.
        progress: Receives the progress.
        take_over: As in ``open_run_context``.
    """
    with open_run_context(
        site,
        command="restore-deleted",
        side=Side.DISCONNECTED,
        clock=clock,
        progress=progress,
        take_over=take_over,
    ) as run:
        return record_run(run, lambda: _restore(run, bundle))


def _restore(run: RunContext, text: str) -> None:
    """Prove and move every file of a bundle's trash.

    Raises:
        UsageError: The text names no bundle of this site.
        PathMissingError: Nothing in the trash is of that bundle.
        LockHeldError, WsusutilRunningError: Another run, or a wsusutil, works on the server.
        ServerUnfitError, ServerChangedError: The server cannot take part.
    """
    name = _bundle(run.site.name, text)
    run.make_folders()
    run.lock_server()
    wait_for_own_wsusutil(run, "import")
    facts = check_requirements(run)
    content_dir = find_content_dir(run, facts)
    trash = _require_trash(run.server, run.content_disk(content_dir).trash, name)
    answers: dict[str, tuple[int, str]] = {}
    files = list(scan(run.server, trash))
    proved = list(_proved(run.server, files, answers, run.progress))
    present = _in_place(run.server, proved, content_dir)
    answers |= {file.name.text: (file.size_bytes, _IN_PLACE) for file in present}
    absent = [file for file in proved if file not in present]
    items = [PlaceItem(file.name, file.size_bytes) for file in absent]
    for placed in place(run.server, trash, content_dir, items):
        done = [*placed.moved, *placed.already_placed]
        answers |= {file.name.text: (file.size_bytes, _DONE) for file in done}
        for item, error in placed.failed:
            answers[item.name.text] = (item.size_bytes, error.message)
    _report(run, name, answers)
    record_event(
        run,
        "restored",
        f"{run.report.lines[0]}; they came from {trash}",
        bundle=name,
    )
    if not any(True for _ in scan(run.server, trash)):
        run.server.remove_tree(trash)


def _bundle(site: str, text: str) -> str:
    """Return the name of the bundle that a person means.

    Raises:
        UsageError: The text names no bundle of this site.
    """
    last = Path(text).name
    name = bundle_name(site, int(last)) if last.isdecimal() else last
    if not is_bundle_name(name) or name.rpartition("-")[0] != site:
        raise UsageError(
            reason=f"{text} names no bundle of site {site}",
            remedy=f"Name the bundle whose import deleted content, for example {site}-7.",
        )
    return name


def _require_trash(server: Host, trash: HostPath, name: str) -> HostPath:
    folders = sorted(stat.name for stat in server.list_folder(trash) if stat.kind == "folder")
    if name in folders:
        return trash.joined(name)
    others = f"In the trash is {', '.join(folders)}; name one of these bundles. " if folders else ""
    raise PathMissingError(
        what=f"the trash of {name}",
        path=trash.joined(name),
        remedy=f"{others or 'The trash is empty. '}What a person has emptied can only come back "
        "with a bundle (`wsus-airgap export --bring LIST`).",
    )


def _proved(
    server: Host,
    files: list[ContentFile],
    answers: dict[str, tuple[int, str]],
    progress: Progress,
) -> Iterator[ContentFile]:
    """Yield the files whose bytes have the SHA-1 of their names, in the order of scans."""
    by_item = {
        CopyItem((file.path,), file.size_bytes, sha1=file.name.digest): file for file in files
    }
    total = sum(file.size_bytes for file in files)
    progress.start("Prove content", total=total, unit="bytes")
    right: set[ContentFile] = set()
    try:
        for batch in copy_files(server, None, iter(by_item), progress=progress):
            for result in batch:
                file = by_item[result.item]
                if result.error is None:
                    right.add(file)
                else:
                    answers[file.name.text] = (file.size_bytes, result.error.message)
    finally:
        progress.finish()
    yield from (file for file in files if file in right)


def _in_place(
    server: Host, files: list[ContentFile], content_dir: HostPath
) -> frozenset[ContentFile]:
    """Return the files that lie in WsusContent too, with the right bytes."""
    sizes: dict[CopyItem, ContentFile] = {}
    for file in files:
        path = content_path(content_dir, file.name)
        stat = server.stat(path)
        if stat is not None and stat.kind == "file" and stat.size_bytes == file.size_bytes:
            sizes[CopyItem((path,), file.size_bytes, sha1=file.name.digest)] = file
    batches = copy_files(server, None, iter(sizes))
    results = (result for batch in batches for result in batch)
    return frozenset(sizes[result.item] for result in results if result.error is None)


def _report(run: RunContext, name: str, answers: dict[str, tuple[int, str]]) -> None:
    done = [text for text, (_, answer) in answers.items() if answer == _DONE]
    failed = {t: a for t, (_, a) in answers.items() if a not in {_DONE, _IN_PLACE}}
    size_bytes = sum(answers[text][0] for text in done)
    run.report.note(placed=len(done))
    run.report.sections.append(restored_section(answers))
    run.report.details |= {
        "bundle": name,
        "restored": len(done),
        "bytes": size_bytes,
        "failed": [{"file": text, "reason": answer} for text, answer in failed.items()],
    }
    run.report.lines.append(
        f"{count(len(done), 'file')} ({size(size_bytes)}) that the import of {name} deleted lie in "
        "WsusContent again"
    )
    run.report.lines.append("the next mirror bundle deletes them again if staging lacks them still")
    if failed:
        first = next(iter(failed))
        run.report.notice(
            f"{count(len(failed), 'file')} could not be given back, first {first}: {failed[first]}"
        )
    Choices(run.ledger).remember(
        run.run_id,
        "restore-deleted",
        sequence=int(name.rpartition("-")[2]),
        reason=f"{len(done)} files",
        now=run.clock(),
    )
