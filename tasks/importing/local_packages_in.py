"""Files of a bundle for UpdateServicesPackages, copied from the content that was placed."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from tasks.approvals.local_packages import LocalPackage
from tasks.bundle.layout import APPROVALS
from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName, extension_of
from tasks.errors import AirGapError, ConnectionLostError, HostFileError
from tasks.hosts.host import FileHash, Host
from tasks.hosts.paths import HostPath
from tasks.importing.trusted_bundle import TrustedBundle
from tasks.quantities import count
from tasks.reports.model import Column, Section
from tasks.reports.sections import MOST_ROWS, cut_note
from tasks.run.context import RunContext
from tasks.run.report import ReportDraft
from tasks.run.stored_documents import read_decisions_file

_BESIDE = ".wsus-airgap-part"


def place_local_packages(run: RunContext, bundle: TrustedBundle, content: ContentListing) -> None:
    """Copy the bundle's local packages into ``server.packages_dir``; a failure is a notice.

    A file gets its name when its bytes have the digest that the bundle says. One that lies there
    with these bytes stays; one with other bytes is named and left alone.
    """
    packages = read_decisions_file(bundle.incoming.folder / APPROVALS).packages
    if not packages:
        return
    given = run.site.server.packages_dir
    if given is None:
        _describe(run.report, packages, {})
        run.report.lines.append(
            f"the bundle brings {count(len(packages), 'file', 'files')} of UpdateServicesPackages; "
            "with [server] packages_dir in the site file they are put there"
        )
        return
    root = run.server.path(given)
    results: dict[LocalPackage, str] = {}
    for package in packages:
        try:
            results[package] = _place(run.server, root, package, content)
        except ConnectionLostError:
            raise  # the step is tried again
        except AirGapError as error:
            results[package] = f"failed: {error.message}"
            run.report.notice(f"{package.path} could not be put into {root}: {error.message}")
    run.report.changes["files put into UpdateServicesPackages"] += sum(
        result == "placed" for result in results.values()
    )
    _describe(run.report, packages, results)


def _place(server: Host, root: HostPath, package: LocalPackage, content: ContentListing) -> str:
    """Put one file in its place, and return what was done."""
    target = root.joined(package.folder, package.file)
    present = server.stat(target)
    if present is not None:
        if present.kind == "file" and _sha1(server, target) == package.sha1:
            return "in place"
        raise HostFileError(
            path=target, operation="copying", reason="another file lies there; it was left alone"
        )
    present_file = content.find(package.digest)
    if present_file is None or present_file.is_valid is False:
        return "not carried: its content file is not here"
    if server.stat(root) is None:
        raise HostFileError(
            path=root, operation="copying", reason="there is no such folder on the server"
        )
    name = ContentName(package.digest, extension_of(package.file))
    source = content.content_dir.joined(name.folder, name.text)
    server.make_folder(target.parent)
    beside = target.parent.joined(target.name + _BESIDE)
    server.write(beside, server.read(source))
    if _sha1(server, beside) != package.sha1:
        server.remove([beside])
        raise HostFileError(
            path=source, operation="copying", reason="it has other bytes than the bundle says"
        )
    server.flush_files([beside]).require_all()
    server.rename([(beside, target)], inherit=True).require_all()
    server.flush_folders([target.parent])
    return "placed"


def _sha1(server: Host, path: HostPath) -> str:
    (answer,) = server.hash_files([path])
    if not isinstance(answer, FileHash):
        raise answer[1]
    return answer.sha1


def _describe(
    report: ReportDraft, packages: Iterable[LocalPackage], results: dict[LocalPackage, str]
) -> None:
    listed = tuple(packages)
    signers = sorted({(item.signer, item.thumbprint) for item in listed if item.thumbprint})
    report.lines += [
        f"local packages are signed by {subject}, thumbprint {thumbprint}: this server and its "
        "clients need this certificate in Trusted Publishers and in Trusted Root"
        for subject, thumbprint in signers
    ]
    report.sections.append(
        Section(
            key="local-packages",
            title="Updates that were published on staging",
            note="Files of UpdateServicesPackages. wsusutil does not carry all that WSUS knows of "
            "such updates: what was published has to be approved here, and cannot be revised."
            + cut_note(listed, " "),
            columns=(
                Column(label="File"),
                Column(label="Signed by"),
                Column(label="Thumbprint", kind="short"),
                Column(label="Result"),
            ),
            rows=tuple(
                (
                    package.path,
                    package.signer or "not known",
                    package.thumbprint,
                    results.get(package, "not put there"),
                )
                for package in islice(listed, MOST_ROWS)
            ),
        )
    )
