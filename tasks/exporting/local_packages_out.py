"""Files of the staging server's UpdateServicesPackages, for the decisions of a bundle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.approvals.capture import ServerDecisions
from tasks.approvals.local_packages import LocalPackage, is_package_name, sentence_on_loss
from tasks.content.cab_signature import HEAD_BYTES, Signer, read_signer
from tasks.content.content_listing import ContentListing
from tasks.errors import AirGapError, ConnectionLostError
from tasks.hosts.host import FileHash, FileStat, Host
from tasks.hosts.paths import HostPath
from tasks.quantities import count
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft

_CACHE = "local-packages.json"
_SHOWN = 20


class _Known(BaseModel):
    """Files that were read before, by path: size, time, and what they are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, tuple[int, int, LocalPackage]] = {}


def with_local_packages(run: RunContext, decisions: ServerDecisions) -> ServerDecisions:
    """Add the files of ``server.packages_dir`` to the decisions; without the key nothing changes.

    A file that cannot be read is named in a notice, and all others go on.
    """
    if run.site.server.packages_dir is None:
        return decisions
    root = run.server.path(run.site.server.packages_dir)
    cache = run.site.state_dir / _CACHE
    earlier = _read_cache(cache)
    fresh: dict[str, tuple[int, int, LocalPackage]] = {}
    unread: list[tuple[HostPath, str, FileStat]] = []
    try:
        for path, folder, stat in _files(run.server, root, run.report):
            size, mtime, package = earlier.files.get(path.text, (-1, -1, None))
            if package is not None and (size, mtime) == (stat.size_bytes, stat.mtime_ns):
                fresh[path.text] = (size, mtime, package)
            else:
                unread.append((path, folder, stat))
    except ConnectionLostError:
        raise  # the step is tried again
    except AirGapError as error:
        run.report.notice(f"UpdateServicesPackages could not be read: {error.message}")
        return decisions
    for path, stat, package in _read(run.server, unread, run.report):
        fresh[path.text] = (stat.size_bytes, stat.mtime_ns, package)
    if not run.rehearses:
        cache.write_text(_Known(files=fresh).model_dump_json(), encoding="utf-8")
    packages = tuple(sorted(package for _, _, package in fresh.values()))
    approval_set = replace(decisions.approval_set, packages=packages)
    return replace(decisions, approval_set=approval_set)


def report_packages(
    report: ReportDraft, decisions: ServerDecisions, content: ContentListing
) -> None:
    """Say what of UpdateServicesPackages the bundle brings, who signed it, and what stays behind.

    A file whose bytes lie in WsusContent too is carried as that content file. WSUS puts them there
    when the update is approved. What wsusutil loses of published updates is said in any case.
    """
    published = sum(update.local for update in decisions.updates.values())
    if published:
        report.lines.append(sentence_on_loss(published))
    listed = decisions.approval_set.packages
    if not listed:
        return
    behind = [package for package in listed if content.find(package.digest) is None]
    carried = len(listed) - len(behind)
    report.lines.append(f"{count(carried, 'file', 'files')} of UpdateServicesPackages go along")
    signers = sorted({(item.signer, item.thumbprint) for item in listed if item.thumbprint})
    report.lines += [
        f"signed by {subject}, thumbprint {thumbprint}: the other side needs this certificate in "
        "Trusted Publishers and in Trusted Root, on the server and on its clients"
        for subject, thumbprint in signers
    ]
    if behind:
        names = ", ".join(package.path for package in behind[:_SHOWN])
        report.lines.append(
            f"{count(len(behind), 'file', 'files')} of UpdateServicesPackages stay behind, because "
            f"WSUS has no copy in WsusContent until the update is approved on staging: {names}"
        )


def _files(
    server: Host, root: HostPath, report: ReportDraft
) -> Iterator[tuple[HostPath, str, FileStat]]:
    """Yield the files below the folders of updates; other names are counted in the report."""
    others = 0
    for folder in server.list_folder(root, must_exist=True):
        if folder.kind != "folder":
            others += 1
            continue
        for stat in server.list_folder(root.joined(folder.name)):
            if stat.kind == "file" and is_package_name(folder.name, stat.name):
                yield root.joined(folder.name, stat.name), folder.name.lower(), stat
            else:
                others += 1
    if others:
        report.lines.append(
            f"{count(others, 'name', 'names')} in UpdateServicesPackages are not carried: WSUS "
            "gives folders the id of an update, and files a plain name"
        )


def _read(
    server: Host, unread: list[tuple[HostPath, str, FileStat]], report: ReportDraft
) -> Iterator[tuple[HostPath, FileStat, LocalPackage]]:
    by_path = {path.text: (path, folder, stat) for path, folder, stat in unread}
    if not by_path:
        return
    for answer in server.hash_files([path for path, _, _ in unread]):
        if not isinstance(answer, FileHash):
            path, error = answer
            report.notice(f"{path} is not carried: {error.message}")
            continue
        path, folder, stat = by_path[answer.path.text]
        signer = _signer(server, path)
        yield (
            path,
            stat,
            LocalPackage(
                folder=folder,
                file=path.name,
                sha1=answer.sha1,
                size_bytes=answer.size_bytes,
                signer="" if signer is None else signer.subject[:1_000],
                thumbprint="" if signer is None else signer.thumbprint,
            ),
        )


def _signer(server: Host, path: HostPath) -> Signer | None:
    def read(offset: int, size_bytes: int) -> bytes:
        content = bytearray()
        for view in server.read(path, offset=offset):
            content += view
            if len(content) >= size_bytes:
                break
        return bytes(content[:size_bytes])

    try:
        return read_signer(read(0, HEAD_BYTES), read)
    except ConnectionLostError:
        raise
    except AirGapError:
        return None  # who signed it is not known


def _read_cache(path: Path) -> _Known:
    try:
        return _Known.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return _Known()
