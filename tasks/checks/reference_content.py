"""The error reference: content, what a synchronisation brought, and a disconnected server."""

from __future__ import annotations

from tasks.checks.reference_entry import (
    ARTICLE,
    DISCONNECTED_ARTICLE,
    DOWNLOAD_ARTICLE,
    ERROR_ENUM,
    EVENT_TEXTS,
    PATCH_MY_PC,
    SPECTER,
    ErrorEntry,
    Event,
    Severity,
    SyncError,
)

_RESULT = "Result of the synchronisation (console, API)"
_EVENT_LOG = "Application event log; SoftwareDistribution.log as EventId="
_DOWNLOAD = "Event 364; SoftwareDistribution.log, ContentSyncAgent"

SYNCHRONISED = (
    ErrorEntry(
        id="database-synchronisation",
        symptom="The synchronisation could not use the local database",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_RESULT,
        meaning=(
            "The database of WSUS (SUSDB) could not be reached, was too busy, or refused a "
            "statement."
        ),
        first_check=(
            "See that the database service runs and its disk has room; then read "
            "SoftwareDistribution.log of that minute; then maintain SUSDB (indexes, clean-up)."
        ),
        do_not_conclude="No network fault, and no fault of Microsoft Update.",
        source=ERROR_ENUM,
        sync_errors=(
            SyncError(2, "LocalDBConnectFail", "The local database could not be reached."),
            SyncError(3, "LocalDBTooBusy", "The local database was too busy for a procedure."),
            SyncError(4, "LocalDBOtherError", "The local database had another error."),
        ),
        phrases=(
            "timeout period elapsed prior to completion",
            "timeout ist vor dem beenden des vorgangs eingetreten",
        ),
    ),
    ErrorEntry(
        id="metadata-import",
        symptom="Single updates could not be taken into the database",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_RESULT,
        meaning=(
            "Updates were refused: one that they depend on is not there, or their metadata are "
            "not valid."
        ),
        first_check="UpdateErrors of the synchronisation: which update, and which of the two.",
        do_not_conclude="The connection works. Do not rebuild the database for one update.",
        source=ERROR_ENUM,
        sync_errors=(SyncError(13, "ImportUpdateError", "Updates could not be imported."),),
    ),
    ErrorEntry(
        id="replica-approvals",
        symptom="A replica could not take over approvals",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Result of the synchronisation on a replica server",
        meaning="Approvals of the upstream server could not be applied on this replica.",
        first_check=(
            "Is the replica mode meant? Then synchronise again later: an update that the upstream "
            "approved may not have arrived."
        ),
        do_not_conclude="Do not approve by hand on a replica. Group membership is not replicated.",
        source=ERROR_ENUM,
        sync_errors=(
            SyncError(14, "ApprovalError", "An approval failed for an unknown reason."),
            SyncError(15, "LocalUpdateMissingForApproval", "An approved update is not here yet."),
        ),
    ),
    ErrorEntry(
        id="synchronisation-cancelled",
        symptom="The synchronisation was cancelled",
        severity=Severity.NOTE,
        depth="cause",
        seen_in="Result of the synchronisation; event 387",
        meaning="A person or a program cancelled it.",
        first_check="Who cancelled it; then start it again and let it end.",
        do_not_conclude="No fault by itself; but the catalogue is not up to date.",
        source=ERROR_ENUM,
        events=(Event(387, "Synchronization was canceled."),),
        sync_errors=(SyncError(12, "UserCanceled", "The synchronisation was cancelled."),),
    ),
    ErrorEntry(
        id="succeeded-nothing-new",
        symptom="Synchronisation succeeded, nothing new",
        severity=Severity.WARNING,
        depth="cause",
        seen_in="The Synchronizations node of the console",
        meaning=(
            "The synchronisation works. Updates are missing because their product or "
            "classification is not subscribed, or because their files have not arrived."
        ),
        first_check="Subscribed products and classifications; then content: events 364 and 10032.",
        do_not_conclude="No network or proxy fault. Do not rebuild or reset the server.",
        source=ARTICLE,
        questions=(
            "sync … succe … nothing new",
            "sync … succe … no new",
            "nothing new",
            "no new updates",
            "keine neuen updates",
        ),
    ),
    ErrorEntry(
        id="synchronisation-no-error",
        symptom="SynchronizationError NotApplicable",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_RESULT,
        meaning="The last synchronisation has no error to tell.",
        first_check="Its result and its time: Succeeded, and younger than the site's limit?",
        do_not_conclude="A server that never synchronised says the same.",
        source=ERROR_ENUM,
        sync_errors=(SyncError(0, "NotApplicable", "There is no error."),),
    ),
)

DISCONNECTED = (
    ErrorEntry(
        id="disconnected-synchronisation",
        symptom="A failed synchronisation on a disconnected server",
        severity=Severity.WARNING,
        depth="cause",
        seen_in="Console, events 386, 10021 and 10022 of a server behind the gap",
        meaning=(
            "A server without a way out cannot synchronise: import replaces it. The message means "
            "that it never completed an import, that the last import is old, or that a "
            "scheduled synchronisation was left switched on."
        ),
        first_check=(
            "Age of the last import (`wsus-airgap status`); switch the scheduled synchronisation "
            "off; bring and import the next bundle."
        ),
        do_not_conclude=(
            "No network fault: do not open the firewall, and set neither proxy nor endpoint there."
        ),
        source=DISCONNECTED_ARTICLE,
        questions=(
            "disconnected … sync",
            "sync … disconnected",
            "sync … offline",
            "offline … sync",
            "air gap … sync",
        ),
    ),
    ErrorEntry(
        id="download-failed-after-import",
        symptom="Failed to download, after an import",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="The console of a disconnected server: state of an update",
        meaning=(
            "The metadata came before the files, or the copy of the content is incomplete. There "
            "is nothing that the server could download from."
        ),
        first_check=(
            "`wsus-airgap audit` names the files and why they are missing. Bring them in the next "
            "bundle (shopping list), then audit again."
        ),
        do_not_conclude=(
            "A scan by a client repairs nothing. `wsusutil reset` cannot download offline; it "
            "only sets states."
        ),
        source=DISCONNECTED_ARTICLE,
        phrases=("files for this update failed to download",),
        questions=("failed to download", "retry download", "download … fehlgeschlagen"),
    ),
    ErrorEntry(
        id="client-log",
        symptom="ReportingEvents.log",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in="C:\\Windows\\SoftwareDistribution of any Windows",
        meaning="It is the log of the Windows Update client, not of the WSUS server.",
        first_check=(
            "For the server: %ProgramFiles%\\Update Services\\LogFiles\\SoftwareDistribution.log "
            "and the Application event log, source Windows Server Update Services."
        ),
        do_not_conclude="No evidence of how the server synchronises.",
        source=ARTICLE,
        questions=("reportingevents",),
    ),
)

CONTENT = (
    ErrorEntry(
        id="content-refused",
        symptom="A content file failed verification and was deleted; 0x800B0109",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="SoftwareDistribution.log, ContentSyncAgent",
        meaning=(
            "WSUS checked digest or signature of a file, refused it, and deletes it. 0x800B0109: "
            "the root certificate of its signature is not trusted by this machine."
        ),
        first_check=(
            "Root and intermediate certificates of Microsoft in the stores of the local computer, "
            "above all on a disconnected server; then the file against its digest (`audit`)."
        ),
        do_not_conclude=(
            "The medium or the copy need not be bad: a good file is deleted too. Copying it again "
            "before the certificates are there loses it again."
        ),
        source=PATCH_MY_PC,
        codes=(0x800B0109, 0x80096010),
        phrases=(
            "failed at file cert verification",
            "invalid file deleted",
            "fileverificationfailed",
        ),
    ),
    ErrorEntry(
        id="licence-terms-missing",
        symptom="The file of licence terms is not there",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="SoftwareDistribution.log; when an update is approved",
        meaning="The .txt file with an update's licence terms is missing in WsusContent.",
        first_check="The file that the line names: bring it (`wsus-airgap audit`), then approve.",
        do_not_conclude="The payload may be complete; approving again without the file fails.",
        source=PATCH_MY_PC,
        phrases=(
            "license agreement file does not exist",
            "license terms have not been completely downloaded",
        ),
    ),
    ErrorEntry(
        id="bits-range",
        symptom="0x80200013: no Range header",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_DOWNLOAD,
        meaning=(
            "The server, or a proxy between, does not support the Range header, which BITS needs."
        ),
        first_check="Proxy or firewall: let Range requests (HTTP/1.1) through unchanged.",
        do_not_conclude="Metadata can synchronise all the same; the URL may open in a browser.",
        source=SPECTER,
        codes=(0x80200013,),
        phrases=("support the range protocol header",),
    ),
    ErrorEntry(
        id="access-denied",
        symptom="0x80070005: access denied",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_DOWNLOAD,
        meaning="The service may not write to, or read from, a folder.",
        first_check="Permissions of WsusContent for NETWORK SERVICE; event 10012 names the folder.",
        do_not_conclude="No proxy fault. Full access for everyone is no cure.",
        source=DOWNLOAD_ARTICLE,
        codes=(0x80070005,),
    ),
    ErrorEntry(
        id="disk-full",
        symptom="0x80070070: disk full",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_DOWNLOAD,
        meaning="The disk of WsusContent, or that of temporary files, has no room left.",
        first_check="Free room on both; then products, languages and express files.",
        do_not_conclude="Do not delete files in WsusContent by hand.",
        source=DOWNLOAD_ARTICLE,
        codes=(0x80070070,),
    ),
    ErrorEntry(
        id="content-not-found",
        symptom="HTTP 404: file not found",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_DOWNLOAD,
        meaning=(
            "The file is not where it was asked for; or IIS does not serve its type, above all "
            ".msu, .wim and .psf without their MIME types."
        ),
        first_check=(
            "Is the file in WsusContent (`wsus-airgap audit`)? Then the MIME types of IIS, at the "
            "level of the server, and the path of the virtual directory Content."
        ),
        do_not_conclude="No name or network fault. On disk does not mean served.",
        source=DOWNLOAD_ARTICLE,
        codes=(0x80190194, 0x80244019),
        http=(404,),
    ),
    ErrorEntry(
        id="access-forbidden",
        symptom="HTTP 403: forbidden",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Console, scripts, downloads",
        meaning="Most often a virtual directory that requires SSL was asked over HTTP.",
        first_check=(
            "Port and SSL of who asks. Content and SelfUpdate must not require SSL; the web "
            "services require it once SSL is on."
        ),
        do_not_conclude="No missing right of the user before that is known.",
        source=ARTICLE,
        codes=(0x80190193, 0x80244018),
        http=(403,),
    ),
    ErrorEntry(
        id="managed-exception",
        symptom="0x80131500: an exception of .NET",
        severity=Severity.WARNING,
        depth="symptom",
        seen_in="SoftwareDistribution.log, console, scripts",
        meaning="The code of any exception of the .NET Framework.",
        first_check="The text beside it and the stack trace below it; explain that line.",
        do_not_conclude="The code alone names no cause.",
        source=PATCH_MY_PC,
        codes=(0x80131500,),
    ),
    ErrorEntry(
        id="content-download",
        symptom="Content file download failed",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in=_EVENT_LOG,
        meaning=(
            "WSUS did not get a file. The event names the reason, the source and the file in "
            "WsusContent."
        ),
        first_check=(
            "Reason in event 364. On a disconnected server `wsus-airgap audit`: the file has to "
            "be brought, it cannot be downloaded."
        ),
        do_not_conclude="Do not run `wsusutil reset` first: it destroys the evidence.",
        source=EVENT_TEXTS,
        events=(
            Event(362, "Content synchronization failed. Reason: ..."),
            Event(364, "Content file download failed. Reason, source file, destination file."),
            Event(10032, "The server is failing to download some updates."),
        ),
        phrases=(
            "content file download failed",
            "contentsyncagent recieved failure",
            "failed in download",
        ),
    ),
    ErrorEntry(
        id="content-download-cancelled",
        symptom="Content file download was cancelled",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_EVENT_LOG,
        meaning="A download was cancelled; its update stays without files until it is resumed.",
        first_check="Resume downloads in the console, if the update is still approved.",
        do_not_conclude="Nothing is broken; it does not go on by itself either.",
        source=EVENT_TEXTS,
        events=(Event(365, "Content file download was canceled."),),
    ),
    ErrorEntry(
        id="content-progress",
        symptom="Content synchronisation started, succeeded; a file was downloaded",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_EVENT_LOG,
        meaning="Normal work of the content agent.",
        first_check="Nothing, unless event 364 stands between.",
        do_not_conclude="363 does not say that every file is there.",
        source=EVENT_TEXTS,
        events=(
            Event(361, "Content synchronization started."),
            Event(363, "Content synchronization succeeded."),
            Event(366, "Content file download succeeded. Digest, source file, destination file."),
        ),
    ),
)
