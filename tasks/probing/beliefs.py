"""Beliefs about WSUS, one function each; a server that differs gives a finding. Pure.

Severity: a failure would break an export or import, a warning may, a note is worth knowing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tasks.checks.finding import Finding, FindingSeverity, gravest_first
from tasks.metadata.limits import Limits
from tasks.probing.seen import Seen

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
                "failure",
                evidence=shown + (", ".join(unknown) or "none"),
                meaning="The XML of an update is not in the form that our reader knows.",
            )
            return


def update_size(seen: Seen) -> Iterator[Finding]:
    """One update's XML is below the limit of our reader."""
    largest = max((document.size_bytes for document in seen.updates), default=0)
    if largest > Limits().element_bytes:
        yield _differs(
            "update-size",
            "failure",
            evidence=f"{largest} bytes; the limit is {Limits().element_bytes}",
            meaning="The XML of one update is larger than our reader takes.",
        )


BELIEFS: tuple[Belief, ...] = (
    members,
    protocol,
    version,
    engine,
    update_documents,
    update_size,
    content_names,
    log_form,
)


def compare(seen: Seen) -> tuple[Finding, ...]:
    """Compare a server with every belief; gravest first."""
    return gravest_first(finding for belief in BELIEFS for finding in belief(seen))
