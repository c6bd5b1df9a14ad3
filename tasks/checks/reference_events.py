"""The error reference: events of the Application log, source Windows Server Update Services.

Texts are the English ones; the log has them in the language of the server, so the number counts.
Events without a text there (461, 481, 507, 1006x and others) have a sentence of ours.
"""

from __future__ import annotations

from tasks.checks.reference_entry import (
    ERROR_ENUM,
    EVENT_TEXTS,
    ErrorEntry,
    Event,
    Severity,
    SyncError,
)

_SEEN = "Application event log; SoftwareDistribution.log as EventId="

SYNCHRONISATION = (
    ErrorEntry(
        id="synchronisation-failed",
        symptom="Synchronization failed",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="The last synchronisation of the catalogue failed; the reason stands in the event.",
        first_check=(
            "Reason in event 386 and the exception in SoftwareDistribution.log of that minute; "
            "explain that line. On a disconnected server: age of the last import."
        ),
        do_not_conclude=(
            "10022 and 386 name no cause. On a disconnected server they are noise, no fault of "
            "the network."
        ),
        source=EVENT_TEXTS,
        events=(
            Event(386, "Synchronization failed. Reason: ..."),
            Event(425, "The synchronization agent did not respond within the expected timeout."),
            Event(10022, "The last catalog synchronization attempt was unsuccessful."),
        ),
        phrases=("synchronization failed", "synchronisierung ist fehlgeschlagen"),
        questions=("sync failed", "synchronisierung fehlgeschlagen"),
    ),
    ErrorEntry(
        id="synchronisation-stale",
        symptom="The catalogue was last synchronised days ago",
        severity=Severity.WARNING,
        depth="symptom",
        seen_in=_SEEN,
        meaning="No synchronisation has succeeded for the number of days that the event names.",
        first_check=(
            "Is a schedule set, and does the WSUS service run? On a disconnected server: age of "
            "the last import (`wsus-airgap status`)."
        ),
        do_not_conclude="On a disconnected server it is noise: nothing synchronises there.",
        source=EVENT_TEXTS,
        events=(Event(10021, "The catalog was last synchronized successfully ... days ago."),),
    ),
    ErrorEntry(
        id="synchronisation-unknown",
        symptom="SynchronizationError Unknown",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in="Result of the synchronisation (console, API)",
        meaning="The synchronisation failed for a reason that the API has no value for.",
        first_check="ErrorText beside it, and SoftwareDistribution.log of that minute.",
        do_not_conclude="The value names no cause. ErrorText is in the server's language.",
        source=ERROR_ENUM,
        # Found only where SynchronizationError is named beside it: the word alone says nothing.
        sync_errors=(SyncError(1, "Unknown", "An unknown error occurred."),),
    ),
    ErrorEntry(
        id="synchronisation-progress",
        symptom="A synchronisation started, or succeeded",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="Normal work of the synchronisation, or a change of its settings.",
        first_check="After 381 or 382 expect 384; 386 or nothing is a failure.",
        do_not_conclude=(
            "384 does not say that something new came. On a disconnected server 381 shows a "
            "schedule that should be off."
        ),
        source=EVENT_TEXTS,
        events=(
            Event(381, "A scheduled synchronization was started."),
            Event(382, "A manual synchronization was started."),
            Event(384, "Synchronization completed successfully."),
            Event(389, "Synchronization settings were modified."),
        ),
        phrases=("synchronization manually started",),
    ),
)

SERVER = (
    ErrorEntry(
        id="database-connection",
        symptom="WSUS cannot reach its database",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_SEEN,
        meaning="The service has no connection to SUSDB, or a table of it is full.",
        first_check=(
            "The database service (Windows Internal Database or SQL Server), its disk and memory."
        ),
        do_not_conclude="Red web services and failed synchronisations after it are consequences.",
        source=EVENT_TEXTS,
        events=(
            Event(421, "Connection to database failed. Reason, connection string."),
            Event(505, "The Event History table in the database was full; events were purged."),
            Event(11002, "WSUS is unable to connect to the database."),
        ),
        phrases=(
            "connection to database failed",
            "establishing a connection to sql server",
            "herstellen einer verbindung mit sql server",
        ),
    ),
    ErrorEntry(
        id="service-failed",
        symptom="The WSUS service failed or cannot work",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_SEEN,
        meaning="The service stopped on an error, or lacks its log file or its registry key.",
        first_check=(
            "The lines before it in SoftwareDistribution.log; the database; after an update of "
            "WSUS, `wsusutil postinstall`."
        ),
        do_not_conclude="Restarting hides the reason: read the log first.",
        source=EVENT_TEXTS,
        events=(
            Event(424, "The content synchronization agent did not respond in time."),
            Event(503, "An error occurred while writing to the WSUS log file."),
            Event(504, "The WSUS registry key could not be opened."),
            Event(507, "The WSUS service failed and stopped."),
        ),
    ),
    ErrorEntry(
        id="service-start",
        symptom="The WSUS service started or stopped",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="Start or stop of the service. `wsusutil import` stops it and starts it again.",
        first_check="The SCHANNEL lines after the last start say which TLS versions are used.",
        do_not_conclude="A stop during an import is meant.",
        source=EVENT_TEXTS,
        events=(
            Event(501, "The WSUS service started."),
            Event(502, "The WSUS service stopped."),
        ),
        phrases=("process start time",),
    ),
    ErrorEntry(
        id="web-service-down",
        symptom="A web service of WSUS is not working",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="The health check asked one of WSUS's web services and got no good answer.",
        first_check=(
            "WsusPool and the site in IIS; the binding and its certificate; SSL required where "
            "it should be and nowhere else; the virtual directory that the event names."
        ),
        do_not_conclude="Several at once have one cause: IIS, the pool or the database.",
        source=EVENT_TEXTS,
        events=(
            Event(12002, "The Reporting Web Service is not working."),
            Event(12012, "The API Remoting Web Service is not working."),
            Event(12022, "The Client Web Service is not working."),
            Event(12032, "The Server Synchronization Web Service is not working."),
            Event(12042, "The SimpleAuth Web Service is not working."),
            Event(12052, "The DSS Authentication Web Service is not working."),
            Event(12062, "The web service of update regulations is not working."),
            Event(12072, "The content directory cannot be reached through the web."),
        ),
    ),
    ErrorEntry(
        id="self-update",
        symptom="Self-update of clients is not working",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_SEEN,
        meaning="Clients cannot fetch the update agent from the SelfUpdate directory.",
        first_check=(
            "SelfUpdate in IIS: there, anonymous, and without SSL required "
            "(`http://SERVER:8530/selfupdate/iuident.cab`)."
        ),
        do_not_conclude="Nothing about synchronisation. Requiring SSL there breaks it.",
        source=EVENT_TEXTS,
        events=(
            Event(506, "The self-update tree is not working."),
            Event(13011, "Some client computers are not self-updating."),
            Event(13012, "Many client computers are not self-updating."),
            Event(13042, "Self-update is not working."),
        ),
    ),
    ErrorEntry(
        id="server-certificate",
        symptom="The server's certificate or its configuration is in doubt",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_SEEN,
        meaning="The health check found fault with the server's certificate, or its setting.",
        first_check=(
            "Expiry and name of the certificate in the machine's Personal store, its private key, "
            "and the binding in IIS."
        ),
        do_not_conclude="It is about this server's certificate, not about Microsoft Update's.",
        source=EVENT_TEXTS,
        events=(
            Event(10061, "The server's certificate needs a look."),
            Event(10062, "The server's certificate is not working."),
            Event(10072, "The configuration of the server's certificate is wrong."),
        ),
    ),
    ErrorEntry(
        id="content-permissions",
        symptom="The permissions on a content directory are incorrect",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_SEEN,
        meaning="An account of WSUS lacks a right on the folder that the event names.",
        first_check="NETWORK SERVICE on that folder, above all after a move or copy of it.",
        do_not_conclude="Full access for everyone is no cure.",
        source=EVENT_TEXTS,
        events=(Event(10012, "The permissions on directory ... are incorrect."),),
    ),
    ErrorEntry(
        id="content-disk-room",
        symptom="Little free disk space on the content drive",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_SEEN,
        meaning="The drive of WsusContent has less room than WSUS's limit.",
        first_check="Free room there, against what the next bundle brings.",
        do_not_conclude="Do not delete files in WsusContent by hand.",
        source=EVENT_TEXTS,
        events=(
            Event(10041, "There is less than ... MB of free disk space on the content drive."),
            Event(10042, "There is less than ... MB of free disk space on the content drive."),
        ),
    ),
    ErrorEntry(
        id="approval-automatic",
        symptom="Updates could not be approved automatically",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_SEEN,
        meaning="A rule, or the renewal of an approval for a later revision, failed.",
        first_check="The update and reason that the event names: licence terms, or its files.",
        do_not_conclude="Synchronisation itself worked.",
        source=EVENT_TEXTS,
        events=(
            Event(422, "A later revision of an update could not automatically be approved."),
            Event(423, "One or more updates could not be automatically approved."),
        ),
    ),
    ErrorEntry(
        id="mail-notification",
        symptom="E-mail notifications cannot be sent",
        severity=Severity.NOTE,
        depth="cause",
        seen_in=_SEEN,
        meaning="The server could not send a mail.",
        first_check="Options > E-Mail Notifications: mail server, and its relay rules.",
        do_not_conclude="Nothing about updates.",
        source=EVENT_TEXTS,
        events=(Event(10052, "The server is unable to send e-mail notifications."),),
    ),
    ErrorEntry(
        id="clients",
        symptom="Clients fail, are silent, or are too many",
        severity=Severity.WARNING,
        depth="symptom",
        seen_in=_SEEN,
        meaning="The health check counts clients that fail to install, scan, report or appear.",
        first_check=(
            "One of those clients: its Windows Update log, and the server address in its policy."
        ),
        do_not_conclude="Nothing about synchronisation or import of this server.",
        source=EVENT_TEXTS,
        events=(
            Event(400, "The maximum number of client computers is reached."),
            Event(13001, "Client computers install updates with a raised failure rate."),
            Event(13002, "Client computers install updates with a high failure rate."),
            Event(13021, "Some client computers are not reporting their inventory."),
            Event(13022, "Many client computers are not reporting their inventory."),
            Event(13031, "Some client computers have not reported back in the last days."),
            Event(13032, "Many client computers have not reported back in the last days."),
            Event(13051, "No client computers have ever contacted the server."),
            Event(13061, "More client computers use this server than it is meant for."),
            Event(13062, "Far more client computers use this server than it is meant for."),
        ),
    ),
    ErrorEntry(
        id="publishing",
        symptom="An update was created or published locally; statistics failed",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="Work of local publishing, or of the statistics handler.",
        first_check="Is local publishing meant here? Microsoft's catalogue lacks such updates.",
        do_not_conclude="Nothing about synchronisation.",
        source=EVENT_TEXTS,
        events=(
            Event(461, "The statistics handler failed."),
            Event(481, "An update was created locally."),
            Event(482, "An update was submitted to the central publishing server."),
        ),
    ),
    ErrorEntry(
        id="healthy",
        symptom="A health check found things in order",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in=_SEEN,
        meaning="Good news of the health check.",
        first_check="Nothing.",
        do_not_conclude=(
            "It is as old as its time, and about its own subject only. A disconnected server can "
            "be healthy and a year behind."
        ),
        source=EVENT_TEXTS,
        events=(
            Event(10000, "WSUS is working correctly."),
            Event(10010, "The WSUS content directory has the correct permissions."),
            Event(10020, "Catalog synchronization is working correctly."),
            Event(10030, "The server is downloading updates successfully."),
            Event(10040, "There is enough free disk space on the drive with the content."),
            Event(10050, "The server is not having problems with e-mail notifications."),
            Event(10060, "The server's certificate is in order."),
            Event(10070, "The configuration of the server's certificate is in order."),
            Event(11000, "The WSUS database is working correctly."),
            Event(12000, "The Reporting Web Service is working correctly."),
            Event(12010, "The API Remoting Web Service is working correctly."),
            Event(12020, "The Client Web Service is working correctly."),
            Event(12030, "The Server Synchronization Web Service is working correctly."),
            Event(12040, "The SimpleAuth Web Service is working correctly."),
            Event(12050, "The DSS Authentication Web Service is working correctly."),
            Event(12060, "The web service of update regulations is working correctly."),
            Event(12070, "The content directory can be reached through the web."),
            Event(13000, "Client computers install updates with a low failure rate."),
            Event(13010, "Most client computers are able to self-update."),
            Event(13020, "Most client computers are reporting their inventory successfully."),
            Event(13030, "Most client computers have reported back in the last days."),
            Event(13040, "Self-update is working."),
            Event(13050, "Client computers have contacted the server."),
            Event(13060, "Not more client computers use this server than it is meant for."),
        ),
    ),
)
