"""Beliefs about WSUS, one function each; a server that differs gives a finding. Pure.

Severity: a failure would break an export or import, a warning may, a note is worth knowing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tasks.checks.finding import Finding, FindingSeverity, gravest_first
from tasks.metadata.limits import Limits
from tasks.probing.seen import Seen
from tasks.quantities import size

Belief = Callable[[Seen], Iterator[Finding]]

# The members without which our scripts cannot work, by type. Members of the class alone, as
# GetFailedToDownloadUpdatesCount is, are not looked for.
MEMBERS: dict[str, tuple[str, ...]] = {
    "IUpdateServer": (
        *("GetConfiguration", "GetSubscription", "GetUpdate", "GetUpdates", "GetUpdateCount"),
        *("GetComputerTargetGroups", "CreateComputerTargetGroup", "GetInstallApprovalRules"),
        *("GetContentDownloadProgress", "GetUpdateApprovals"),
        *("ExportPackageMetadata", "ImportUpdateFromCatalogSite", "ServerProtocolVersion"),
    ),
    "IUpdate": (
        *("Id", "Title", "State", "IsDeclined", "IsLatestRevision", "Approve", "Decline"),
        *("HasLicenseAgreement", "RequiresLicenseAgreementAcceptance", "GetLicenseAgreement"),
        *("ApproveForOptionalInstall", "ResumeDownload"),
    ),
    "IUpdateApproval": ("Action", "Deadline", "ComputerTargetGroupId", "IsOptional", "Delete"),
    "ISubscription": (
        *("GetSynchronizationStatus", "GetSynchronizationHistory", "StartSynchronization"),
        *("GetLastSynchronizationInfo", "SynchronizeAutomatically"),
    ),
    "UpdateScope": ("ApprovedStates", "FromArrivalDate"),
}
_NAMESPACE = "http://schemas.microsoft.com/msus/2002/12/Update"
_CHILDREN = frozenset(
    {
        *("UpdateIdentity", "Properties", "LocalizedPropertiesCollection", "Relationships"),
        # ``EulaFiles`` is one of the places where licence terms may be named (``license_files``).
        *("ApplicabilityRules", "EulaFiles", "Files", "HandlerSpecificData"),
    }
)
# The order in which real documents have them, of which none has EulaFiles. The reader needs none.
_ORDER = (
    *("UpdateIdentity", "Properties", "LocalizedPropertiesCollection", "Relationships"),
    *("ApplicabilityRules", "Files", "HandlerSpecificData"),
)
_ENCODINGS = frozenset({"", "utf-8", "utf-8 with a mark"})
_LOG_ENCODINGS = frozenset({"", "utf-8"})
_ROOT_ATTRIBUTES = ("ServerID", "CreationTime", "FormatVersion", "ProtocolVersion")
_SECTIONS = ("Languages", "Files", "Updates")
_PACKAGED = frozenset({"Files", "Categories", "Classifications", "MetaData"})
_LOG_ROOTS = {"export": "ExportLog", "import": "ImportLog"}
# What public material has in WsusContent; every other name of this form is carried too.
_EXTENSIONS = frozenset(
    {
        *("", ".cab", ".exe", ".msu", ".msi", ".msp", ".psf", ".txt", ".rtf", ".wim", ".esd"),
        *(".appx", ".msix", ".appxbundle", ".msixbundle", ".zip", ".xml", ".dat", ".bin", ".vhd"),
    }
)
# 46,887,043 bytes is the largest that was published.
_LARGEST_KNOWN = 48_000_000
_REPORT = "Send the probe's file to the authors of this program before the first crossing."
_DOCUMENT = "deploy/lab/EVIDENCE.md"


def _differs(
    what: str, severity: FindingSeverity, *, evidence: str, meaning: str, next_step: str = _REPORT
) -> Finding:
    return Finding(
        id=f"differs-{what}",
        severity=severity,
        evidence=evidence,
        meaning=meaning,
        next_step=next_step,
        document=_DOCUMENT,
    )


def members(seen: Seen) -> Iterator[Finding]:
    """The API has every member that our scripts use."""
    missing = [f"{part.type}.{name}" for part in seen.members for name in part.missing]
    if missing:
        yield _differs(
            "members",
            "failure",
            evidence=f"not there: {', '.join(missing)}",
            meaning="The UpdateServices module lacks members that our scripts call.",
        )


def protocol(seen: Seen) -> Iterator[Finding]:
    """Servers of the versions that we know have protocol 1."""
    if not seen.protocol_version.startswith("1."):
        yield _differs(
            "protocol",
            "failure",
            evidence=f"ServerProtocolVersion = {seen.protocol_version}",
            meaning="The server speaks another protocol than the WSUS that we know.",
        )


def version(seen: Seen) -> Iterator[Finding]:
    """WSUS 6.2 (Server 2012) and later are known."""
    if not seen.version.startswith(("6.2.", "6.3.", "10.0.")):
        yield _differs(
            "version",
            "warning",
            evidence=f"Version = {seen.version}",
            meaning="This version of WSUS is not among those that we know.",
        )


def engine(seen: Seen) -> Iterator[Finding]:
    """Our scripts are written for Windows PowerShell 5.1."""
    if seen.engine is not None and not seen.engine.version.startswith(("5.", "7.")):
        yield _differs(
            "engine",
            "warning",
            evidence=f"PSVersion = {seen.engine.version}",
            meaning="The scripts were written for Windows PowerShell 5.1.",
            next_step="Install Windows Management Framework 5.1 on that server.",
        )


def content_names(seen: Seen) -> Iterator[Finding]:
    """Files of WsusContent are named by 40 hexadecimal digits and an extension."""
    content = seen.content
    if content is not None and content.odd_names:
        yield _differs(
            "content-names",
            "warning",
            evidence=f"{content.odd_names} of {content.files} files, in shape: "
            f"{', '.join(content.odd_shapes)}",
            meaning="Files in WsusContent have names that WSUS does not give, and are not carried.",
            next_step="See who put them there; WSUS itself needs none of them.",
        )


def log_form(seen: Seen) -> Iterator[Finding]:
    """Entries of SoftwareDistribution.log begin with a time in one form, and tabs."""
    log = seen.log
    if log is not None and (log.other_entries or (log.size_bytes and not log.entries)):
        yield _differs(
            "log-form",
            "warning",
            evidence=f"{log.entries} entries in the known form, {log.other_entries} in another: "
            f"{', '.join(log.other_shapes) or 'none told apart'}",
            meaning="SoftwareDistribution.log has entries in a form that `check` does not read.",
        )


def update_documents(seen: Seen) -> Iterator[Finding]:
    """The XML of an update has the root, namespace and children of the real documents we know."""
    for document in seen.updates:
        unknown = sorted(set(document.children) - _CHILDREN)
        is_root = document.root == "Update" and document.namespace == _NAMESPACE
        if unknown or not is_root:
            shown = f"{document.root} of {document.namespace}; children we do not know: "
            yield _differs(
                "update-xml",
                "warning" if is_root else "failure",  # our reader passes over other children
                evidence=shown + (", ".join(unknown) or "none"),
                meaning="The XML of an update is not in the form that our reader knows.",
            )
            return


def update_order(seen: Seen) -> Iterator[Finding]:
    """The parts of an update's XML come in the order of real documents, in UTF-8."""
    for document in seen.updates:
        places = [_ORDER.index(child) for child in document.children if child in _ORDER]
        if places != sorted(places) or document.encoding not in _ENCODINGS:
            yield _differs(
                "update-order",
                "note",
                evidence=f"{', '.join(document.children)}; encoding {document.encoding or 'none'}",
                meaning="The XML of an update has another order or encoding than documents that "
                "we know. Our reader needs neither.",
            )
            return


def extensions(seen: Seen) -> Iterator[Finding]:
    """Files of WsusContent have extensions that were seen before."""
    content = seen.content
    unknown = sorted(set(content.extensions) - _EXTENSIONS) if content is not None else []
    if unknown:
        yield _differs(
            "extensions",
            "note",
            evidence=f"files with {', '.join(unknown)}",
            meaning="WsusContent has files with extensions that we have not seen. They are carried "
            "all the same.",
        )


def package_form(seen: Seen) -> Iterator[Finding]:
    """A metadata package has the root, version, attributes and sections that constants prove."""
    package = seen.package
    if package is None:
        return
    lacking = [name for name in _ROOT_ATTRIBUTES if name not in package.attributes]
    is_known = package.root == "ExportPackage" and package.format_version == "1.0"
    if lacking or not is_known or package.sections != _SECTIONS:
        yield _differs(
            "package-form",
            "failure",
            evidence=f"{package.root} of version {package.format_version or 'none'} with "
            f"{', '.join(package.sections)}; attributes that are not there: "
            f"{', '.join(lacking) or 'none'}",
            meaning="The metadata package is not in the form that our reader knows.",
        )


def package_details(seen: Seen) -> Iterator[Finding]:
    """Details of a package that no document describes; the reader needs none of them."""
    package = seen.package
    if package is None:
        return
    others = sorted({name for order in package.update_children for name in order} - _PACKAGED)
    attributes = [name for name in package.attributes if name not in _ROOT_ATTRIBUTES]
    odd = {
        "encoding": "" if package.encoding in _ENCODINGS else package.encoding,
        "attributes of the root": ", ".join(attributes),
        "order of its attributes": ""
        if set(package.attributes) != set(_ROOT_ATTRIBUTES)
        or package.attributes == _ROOT_ATTRIBUTES
        else ", ".join(package.attributes),
        "children of an update": ", ".join(others),
        "order of its children": "; ".join(
            ", ".join(order) for order in package.update_children if order[-1:] != ("MetaData",)
        ),
        "MetaData as": "" if package.metadata in ((), ("text",)) else ", ".join(package.metadata),
        "CreationTime": ""
        if package.creation_time == "9999-99-99T99:99:99Z"
        else package.creation_time,
    }
    shown = [f"{what}: {value}" for what, value in odd.items() if value]
    if shown:
        yield _differs(
            "package-details",
            "warning",
            evidence="; ".join(shown),
            meaning="The metadata package differs from what we expect where no document describes "
            "it. Our reader was written to take that; it has not been seen before.",
        )


def wsusutil_runs(seen: Seen) -> Iterator[Finding]:
    """Exit code 0 means success, any other means none: as all other signals say of that run."""
    differing = [run for run in seen.earlier if (run.exit_code == 0) != run.others_good]
    if differing:
        codes = sorted({str(run.exit_code) for run in differing})
        yield _differs(
            "exit-code",
            "warning",
            evidence=f"{len(differing)} of {len(seen.earlier)} earlier runs of wsusutil ended with "
            f"{', '.join(codes)}, and the other signals said the opposite",
            meaning="The exit code of wsusutil does not say here whether it succeeded. Runs are "
            "judged by five signals, so that nothing was taken for whole that is not.",
        )


def wsusutil_logs(seen: Seen) -> Iterator[Finding]:
    """The log of wsusutil has the root that the assemblies name, in UTF-8."""
    odd = sorted(
        {
            f"{run.verb}: {run.log_root}, {run.log_encoding}"
            for run in seen.earlier
            if run.log_root
            and (run.log_root != _LOG_ROOTS.get(run.verb) or run.log_encoding not in _LOG_ENCODINGS)
        }
    )
    if odd:
        yield _differs(
            "wsusutil-log",
            "warning",
            evidence="; ".join(odd),
            meaning="The log of wsusutil is not in the form that we know.",
        )


def update_size(seen: Seen) -> Iterator[Finding]:
    """One update's XML is below the limit of our reader."""
    largest = max((document.size_bytes for document in seen.updates), default=0)
    if seen.package is not None:
        largest = max(largest, seen.package.largest_update)
    if _LARGEST_KNOWN < largest <= Limits().element_bytes:
        yield _differs(
            "update-large",
            "note",
            evidence=f"{size(largest)}; the limit is {size(Limits().element_bytes)}",
            meaning="One update is larger than the largest that was published. The reader takes "
            "it, in the same memory.",
        )
    if largest > Limits().element_bytes:
        yield _differs(
            "update-size",
            "failure",
            evidence=f"{size(largest)}; the limit is {size(Limits().element_bytes)}",
            meaning="The XML of one update is larger than our reader takes.",
        )


BELIEFS: tuple[Belief, ...] = (
    members,
    protocol,
    version,
    engine,
    update_documents,
    update_order,
    update_size,
    package_form,
    package_details,
    wsusutil_runs,
    wsusutil_logs,
    content_names,
    extensions,
    log_form,
)


def compare(seen: Seen) -> tuple[Finding, ...]:
    """Compare a server with every belief; gravest first."""
    return gravest_first(finding for belief in BELIEFS for finding in belief(seen))
