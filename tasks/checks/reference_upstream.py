"""The error reference: servers that are asked, and fail or refuse."""

from __future__ import annotations

from tasks.checks.reference_entry import (
    ARTICLE,
    ERROR_ENUM,
    PLAN_ARTICLE,
    POOL_ARTICLE,
    SOAP_ARTICLE,
    ErrorEntry,
    Severity,
    SyncError,
)

_LOG_AND_CONSOLE = "SoftwareDistribution.log; the Synchronizations node of the console"

UPSTREAM = (
    ErrorEntry(
        id="service-unavailable",
        symptom="0x80244022, HTTP 503 Service Unavailable",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="SOAP and HTTP calls: upstream, console, clients, BITS",
        meaning=(
            "IIS answers, and the application pool behind it does not: WsusPool is stopped, over "
            "its memory limit, or overloaded."
        ),
        first_check=(
            "WsusPool on the server that was asked: is it started, its private memory limit "
            "(default 1,843,200 KB), its queue; then that server's load and event log."
        ),
        do_not_conclude="No network fault: something answered. Not the fault of who asked.",
        source=ARTICLE,
        codes=(0x80244022, 0x801901F7),
        http=(503,),
        phrases=("service unavailable", "server nicht verf"),
        questions=("wsuspool",),
    ),
    ErrorEntry(
        id="pool-memory",
        symptom="WsusPool is short of memory, or was recycled for it (event 5117 or 5077 of WAS)",
        severity=Severity.WARNING,
        depth="cause",
        seen_in="IIS, settings of WsusPool; the System event log, source Microsoft-Windows-WAS",
        meaning=(
            "The application pool of WSUS is restarted when it reaches its memory limit; clients, "
            "downstream servers and the console then get 503 (0x80244022) or lose their connection."
        ),
        first_check=(
            "IIS, Application Pools, WsusPool, Advanced Settings, Recycling, Private Memory Limit "
            "(KB): set-up gives 1,843,200; raise it to 4,000,000, or to 0 for no limit, and see "
            "that the server has that much memory."
        ),
        do_not_conclude=(
            "No network fault, and no fault of the clients. Starting the pool again helps only "
            "until the limit is reached the next time."
        ),
        source=POOL_ARTICLE,
        phrases=("private bytes memory limit", "reached its virtual memory limit"),
        questions=(
            "private memory limit",
            "wsuspool … memory",
            "wsuspool … recycle",
            "event 5117",
            "event id 5117",
        ),
    ),
    ErrorEntry(
        id="upstream-error",
        symptom="The upstream server experienced an unexpected error",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in="Result of the synchronisation on a downstream server",
        meaning="The upstream server failed while it worked on the request.",
        first_check=(
            "On the upstream server: IIS and the WSUS service, its SoftwareDistribution.log and "
            "Application log of that minute, WsusPool and memory."
        ),
        do_not_conclude=(
            "The downstream's message does not name the cause. After an import into a server that "
            "has an upstream it can mean a broken anchor: never import into one."
        ),
        source=ARTICLE,
        sync_errors=(
            SyncError(8, "UssInternalError", "The upstream server had an internal error."),
        ),
        phrases=("upstream server experienced an unexpected error",),
        questions=("upstream server … unexpected error", "upstream … unexpected"),
    ),
    ErrorEntry(
        id="upstream-unreachable",
        symptom="A downstream server cannot synchronise with its upstream",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in="Result of the synchronisation on a downstream server",
        meaning="The upstream server was not found, or not reached as it is configured.",
        first_check=(
            "UpstreamWsusServerName, PortNumber and UseSsl against the upstream's bindings (8530 "
            "HTTP, 8531 HTTPS); `/ClientWebService/client.asmx` there; then certificate trust. "
            "SelfUpdate and Content must not require SSL."
        ),
        do_not_conclude=(
            "A ping, or port 8530 alone, proves nothing where SSL is configured. Where content is "
            "stored is no fault of the synchronisation."
        ),
        source=PLAN_ARTICLE,
        sync_errors=(
            SyncError(6, "UssNotFound", "The upstream server was not found."),
            SyncError(7, "UssBusy", "The upstream server is too busy; try again later."),
            SyncError(10, "UssCommunicationError", "Communication with the upstream failed."),
            SyncError(11, "UssOtherError", "The upstream failed in another way."),
        ),
        questions=(
            "downstream … sync",
            "cannot sync … upstream",
            "port mismatch",
            "ssl mismatch",
            "selfupdate",
        ),
    ),
    ErrorEntry(
        id="upstream-authentication",
        symptom="The upstream server requires authentication",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Result of the synchronisation on a downstream server",
        meaning="The upstream server accepts only downstream servers that it is told of.",
        first_check="The upstream's list of downstream servers that may authenticate.",
        do_not_conclude="Not the proxy's credentials: that is 407.",
        source=ERROR_ENUM,
        sync_errors=(
            SyncError(9, "DssAuthenticationError", "The upstream server requires authentication."),
        ),
    ),
    ErrorEntry(
        id="version-order",
        symptom="Incompatible protocol version between upstream and downstream",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Result of the synchronisation on a downstream server",
        meaning="The two servers' versions do not fit each other.",
        first_check=(
            "Version of both. A downstream has the same version as its upstream or an earlier one; "
            "update whichever breaks that."
        ),
        do_not_conclude="No setting cures it, and no second attempt.",
        source=ERROR_ENUM,
        sync_errors=(
            SyncError(16, "IncompatibleProtocolVersion", "The downstream is too old."),
            SyncError(17, "IncompatibleProtocolVersionOnUss", "The upstream is too old."),
        ),
        questions=("downstream newer", "version order"),
    ),
    ErrorEntry(
        id="replica-mode",
        symptom="IsReplicaServer = True (replica mode)",
        severity=Severity.NOTE,
        depth="cause",
        seen_in="Options > Update Source and Proxy Server in the WSUS console",
        meaning=(
            "This server is a replica: it takes its approvals and the names of its computer groups "
            "from its upstream server, and nothing is decided on it."
        ),
        first_check=(
            "Is the replica mode meant? If not: Options > Update Source and Proxy Server, clear "
            "`This server is a replica of the upstream server`. If it is: see that each client is "
            "in its group here."
        ),
        do_not_conclude=(
            "Group membership is not replicated: clients that report to a replica are put into the "
            "groups on the replica itself. Replica mode is no fault."
        ),
        source=ARTICLE,
        questions=("replica mode", "replica server", "isreplicaserver", "group membership"),
    ),
    ErrorEntry(
        id="soap-fault",
        symptom="SoapException: Fault occurred",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in=_LOG_AND_CONSOLE,
        meaning="An old synchronisation endpoint, or a SOAP failure of the upstream server.",
        first_check=(
            "MUUrl, and the endpoint that the stack trace names (`Actor = https://...`), whatever "
            "MUUrl says."
        ),
        do_not_conclude="No proxy or DNS fault: a server answered, with a fault.",
        source=SOAP_ARTICLE,
        phrases=("soapexception … fault occurred", "uss throwexception"),
        questions=("soapexception", "fault occurred", "soap exception"),
    ),
)
