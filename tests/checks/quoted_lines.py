"""Lines of real logs as public documents quote them, and lines of ours in the same shapes.

Sources:
    SOAP: Microsoft Learn, "WSUS synchronization fails with SoapException"
    IMPORT: Microsoft Learn, "Troubleshoot WSUS synchronization and import issues"
    TRACK: Microsoft Learn, "Track software update synchronization"
    ISSUE: github.com/MicrosoftDocs/windowsserverdocs/issues/7423
    SPECTER: SpecterOps, Black Hat USA 2026, WSUS deck
    PASTE: pastebin.com/WhEg77PQ

Where a document leaves the time out it is ours, and so are tabs where it shows blanks. SCHANNEL
lines are quoted without thread and method, which are ours too.
"""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "2026-01-15 03:00:01.500 UTC"

# SOAP
SOAP_FAULT = (
    f"{HEAD}\tError\tWsusService.25\tSoapUtilities.LogException\tUSS ThrowException: Actor = "
    "https://fe2.update.microsoft.com/v6/ServerSyncWebService/ServerSyncWebService.asmx, Method = "
    '"http://www.microsoft.com/SoftwareDistribution/GetUpdateData", ID=<ID>, '
    "ErrorCode=InternalServerError, Message=\n"
    "   at Microsoft.UpdateServices.Internal.SoapUtilities.LogException(SoapException e)\n"
    "   at Microsoft.UpdateServices.ServerSync.CatalogSyncAgentCore.ExecuteSyncProtocol(Boolean "
    "allowRedirect)\n"
    "   at System.Threading.ThreadHelper.ThreadStart()"
)
# IMPORT, and ISSUE for the columns
_FOUND = "ProcessWebServiceProxyException found Exception was WebException. Action: Retry."
_COLUMNS = f"{HEAD}\tError\tw3wp.126\tWebServiceCommunicationHelper.ProcessWebServiceProxyException"
RESET = (
    f"{_COLUMNS}\t{_FOUND} Exception Details: System.Net.WebException: The underlying connection "
    "was closed: An unexpected error occurred on a send. ---> System.IO.IOException: Unable to "
    "read data from the transport connection: An existing connection was forcibly closed by the "
    "remote host."
)
NO_ALGORITHM = (
    f"{_COLUMNS}\t{_FOUND} Exception Details: System.Net.WebException: The underlying connection "
    "was closed: An unexpected error occurred on a receive. ---> "
    "System.ComponentModel.Win32Exception: The client and server cannot communicate, because they "
    "do not possess a common algorithm"
)
_SCHANNEL = f"{HEAD}\tInfo\tWsusService.4\tTlsSettings.Log\tSCHANNEL "
TLS_LINES = (
    f"{_SCHANNEL}Protocol 'TLS 1.0' disabled",
    f"{_SCHANNEL}Protocol 'TLS 1.1' disabled",
    f"{_SCHANNEL}Protocols subkey for 'TLS 1.2' not found. Protocol is enabled",
)
# TRACK, with blanks as the document has them
STARTED = (
    "2014-01-16 18:53:56.168 UTC  Info         WsusService.15 EventLogEventReporter.ReportEvent  "
    "EventId=382,Type=Information,Category=Synchronization,Message=A manual synchronization was "
    "started."
)
SUCCEEDED = (
    "2014-01-16 18:55:05.166 UTC  Info         WsusService.15 EventLogEventReporter.ReportEvent "
    "EventId=384,Type=Information,Category=Synchronization,Message=Synchronization completed "
    "successfully."
)
# SPECTER
DOWNLOAD_FAILED = (
    "2025-12-20 20:08:34.090 UTC\tError\tWsusService.52\tContentSyncAgent.JobError\t"
    "Download error:\nhttp://198.51.100.1:8000/Specter.exe failed in download: (-2145386477) The "
    "server does not support the necessary HTTP\nprotocol. Background Intelligent Transfer Service "
    "(BITS) requires that the server support the Range protocol header.\n\n"
    "   at Microsoft.UpdateServices.ServerSync.ContentSyncAgent.MonitorStatusThreadProc()"
)
VERIFICATION_FAILED = (
    "2025-12-20 20:29:13.464 UTC\tInfo\tWsusService.34\t"
    "ContentSyncAgent.ContentSyncSPFireStateMachineEvent\tContentSyncAgent firing Event: "
    "FileVerificationFailed for Item: e1e609f1-436e-4fba-a9d0-3291eb717ecd"
)
QUIET = (
    (
        "2025-12-20 20:08:13.949 UTC\tInfo\tWsusService.49\t"
        "SusEventDispatcher.DispatchManagerWorkerThreadProc\tDispatchManager Worker Thread "
        "Processing NotificationEvent: ContentSyncAgent"
    ),
    "2025-12-20 20:08:13.949 UTC\tInfo\tWsusService.50\tThreadEntry\tThreadHelper.ThreadStart",
    (
        "2025-12-20 20:08:14.073 UTC\tInfo\tWsusService.50\tContentSyncAgent.Download\tItem: "
        "e1e609f1-436e-4fba-a9d0-3291eb717ecd has been submitted to BITS for Download"
    ),
)
# PASTE
WEB_SERVICE_START = (
    "2020-05-22 14:44:07.030 UTC\tInfo\tw3wp.13\tClientImplementation..ctor\tInitializing "
    "ClientWebService ProcessID = 380, Process Start Time = 5/22/2020 10:44:06 AM, "
    "Product Version = 10.0.14393.2969"
)
OTHER_SOAP = (
    "2020-05-22 14:44:14.282 UTC\tError\tWsusService.9\tHmtWebServices.CheckReportingWebService\t"
    "Reporting WebService SoapException:System.Web.Services.Protocols.SoapException: Server was "
    "unable to process request. ---> Ping method is only available from local machine."
)


@dataclass(frozen=True)
class Fault:
    """A fault as messages of .NET tell it, in two languages; ours in the shapes above."""

    id: str
    english: str
    german: str
    level: str = "Error"


FAULTS = (
    Fault(
        "endpoint-decommissioned",
        "WebException: The remote name could not be resolved: 'fe2.update.microsoft.com'",
        "WebException: Der Remotename konnte nicht aufgelöst werden: 'fe2.update.microsoft.com'",
    ),
    Fault(
        "name-resolution",
        "WebException: The remote name could not be resolved: 'wsus-{host}.example'",
        "WebException: Der Remotename konnte nicht aufgelöst werden: 'wsus-{host}.example'",
    ),
    Fault(
        "proxy-authentication",
        "WebException: The remote server returned an error: (407) Proxy Authentication Required.",
        "WebException: Der Remoteserver hat einen Fehler zurückgegeben: (407) "
        "Proxyauthentifizierung erforderlich.",
    ),
    Fault(
        "connection-timeout",
        "WebException: The operation has timed out",
        "WebException: Das Timeout für den Vorgang wurde überschritten.",
    ),
    Fault(
        "connection-refused",
        "WebException: Unable to connect to the remote server",
        "WebException: Die Verbindung mit dem Remoteserver kann nicht hergestellt werden.",
    ),
    Fault(
        "certificate-trust",
        "WebException: The underlying connection was closed: Could not establish trust "
        "relationship for the SSL/TLS secure channel.",
        "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Für den geschützten "
        "SSL/TLS-Kanal konnte keine Vertrauensstellung hergestellt werden.",
    ),
    Fault(
        "no-common-algorithm",
        "Win32Exception: The client and server cannot communicate, because they do not possess a "
        "common algorithm",
        "Win32Exception: Client und Server können nicht kommunizieren, da sie keinen gemeinsamen "
        "Algorithmus besitzen.",
    ),
    Fault(
        "connection-closed",
        "WebException: The underlying connection was closed: An unexpected error occurred on a "
        "send.",
        "WebException: Die zugrunde liegende Verbindung wurde geschlossen: Unbekannter Fehler beim "
        "Senden.",
    ),
    Fault(
        "service-unavailable",
        "WebException: The request failed with HTTP status 503: Service Unavailable.",
        "WebException: Fehler bei der Anforderung mit HTTP-Status 503: Server nicht verfügbar.",
    ),
    Fault(
        "synchronisation-failed",
        "EventId=386,Type=Error,Category=Synchronization,Message=Synchronization failed.",
        "EventId=386,Type=Error,Category=Synchronization,Message=Fehler bei der Synchronisierung.",
        level="Info",
    ),
    Fault(
        "content-download",
        "EventId=364,Type=Error,Category=Synchronization,Message=Content file download failed.",
        "EventId=364,Type=Error,Category=Synchronization,Message=Fehler beim Herunterladen.",
        level="Info",
    ),
)


def in_log(*messages: str, level: str = "Info") -> str:
    """Messages as entries of SoftwareDistribution.log, a second apart."""
    return "".join(
        f"2031-05-01 03:50:{second:02d}.000 UTC\t{level}\tWsusService.7\tMethod\t{message}\r\n"
        for second, message in enumerate(messages)
    )
