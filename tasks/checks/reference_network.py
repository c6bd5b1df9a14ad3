"""The error reference: proxy, names and connections."""

from __future__ import annotations

from tasks.checks.reference_entry import (
    ARTICLE,
    CONFIGURE_ARTICLE,
    ERROR_ENUM,
    ISSUES_ARTICLE,
    ErrorEntry,
    Severity,
    SyncError,
)

_LOG_AND_CONSOLE = "SoftwareDistribution.log; the Synchronizations node of the console"
_WSUS_PROXY = "Options > Update Source and Proxy Server > Proxy Server in the WSUS console"

PROXY = (
    ErrorEntry(
        id="proxy-authentication",
        symptom="HTTP 407, proxy authentication required",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_LOG_AND_CONSOLE,
        meaning="The proxy wants credentials, and WSUS sent none or wrong ones.",
        first_check=(
            f"{_WSUS_PROXY}: name, port, user and an expired password; with UseSeparateProxyForSsl "
            "the HTTPS proxy too (`wsusutil ConfigureSSLproxy`)."
        ),
        do_not_conclude=(
            "`netsh winhttp show proxy` and a browser prove nothing: WSUS has settings of its own. "
            "Basic authentication sends the password in clear text: no cure to apply lightly."
        ),
        source=ISSUES_ARTICLE,
        codes=(0x8024401B, 0x80190197),
        http=(407,),
        phrases=("proxy authentication required", "proxyauthentifizierung erforderlich"),
        questions=("proxy authentication",),
    ),
    ErrorEntry(
        id="proxy-settings",
        symptom="A proxy error without a status",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Result of the synchronisation (console, API)",
        meaning="WSUS could not use the proxy that its own settings name.",
        first_check=(
            f"{_WSUS_PROXY}: UseProxy, ProxyName, ProxyServerPort; with UseSeparateProxyForSsl "
            "also SslProxyName and SslProxyServerPort. Then the proxy's own log."
        ),
        do_not_conclude=(
            "The system's WinHTTP proxy is not the one that WSUS uses; changing it does not help "
            "WSUS and may harm others."
        ),
        source=ERROR_ENUM,
        sync_errors=(SyncError(5, "ProxyError", "An error occurred in using the proxy settings."),),
        questions=("proxy error", "configuresslproxy", "useseparateproxyforssl"),
    ),
    ErrorEntry(
        id="netsh-import-proxy",
        symptom="netsh winhttp import proxy source=ie",
        severity=Severity.WARNING,
        depth="cause",
        seen_in="Advice on the web",
        meaning=(
            "It overwrites the proxy of the whole machine for everything that uses WinHTTP. It is "
            "not how WSUS is told its proxy. We never suggest it."
        ),
        first_check=(
            f"{_WSUS_PROXY}: UseProxy, ProxyName, port and credentials. Somebody has run it: "
            "compare `netsh winhttp show proxy` with what the machine is meant to have."
        ),
        do_not_conclude=(
            "Do not run it for a failed synchronisation. That it seemed to help does not show that "
            "WSUS uses WinHTTP's proxy."
        ),
        source=ARTICLE,
        questions=("winhttp import proxy", "import proxy source=ie"),
    ),
    ErrorEntry(
        id="winhttp-proxy",
        symptom="netsh winhttp show proxy",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in="A command prompt on the server",
        meaning="It shows the machine's WinHTTP proxy: context, not the proxy that WSUS uses.",
        first_check=f"{_WSUS_PROXY}; those settings are the truth.",
        do_not_conclude=(
            "`Direct access (no proxy server)` does not mean that WSUS goes without one, nor a "
            "proxy shown there that WSUS uses it."
        ),
        source=ARTICLE,
        questions=("winhttp show proxy",),
    ),
    ErrorEntry(
        id="browser-works",
        symptom="Works in the browser, fails in WSUS",
        severity=Severity.WARNING,
        depth="symptom",
        seen_in="A person's report",
        meaning=(
            "The browser uses the user's proxy and the user's certificates. WSUS runs as a service "
            "with its own proxy settings and the machine's certificates."
        ),
        first_check=(
            f"{_WSUS_PROXY}, then the certificate stores of the local computer; repeat the request "
            "in the service's context."
        ),
        do_not_conclude=(
            "A page that opens in the browser proves neither that the network lets WSUS through "
            "nor that its certificate is trusted by the machine."
        ),
        source=ARTICLE,
        questions=("browser … wsus", "wsus … browser", "works in the browser", "im browser"),
    ),
)

NETWORK = (
    ErrorEntry(
        id="name-resolution",
        symptom="The remote name could not be resolved; 0x80072EE7",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_LOG_AND_CONSOLE,
        meaning=(
            "A name was not resolved where WSUS asked for it: the endpoint, the upstream server, "
            "or the proxy itself."
        ),
        first_check=(
            "The name in the message: an endpoint that is gone? Then DNS of the WSUS server "
            "(`Resolve-DnsName NAME`); behind a proxy, the proxy's DNS and its log of CONNECT."
        ),
        do_not_conclude=(
            "Behind an explicit proxy a local look-up that works does not prove that the proxy "
            "can resolve the name, nor one that fails that it cannot."
        ),
        source=ARTICLE,
        codes=(0x80072EE7,),
        phrases=("remote name could not be resolved", "remotename konnte nicht"),
        questions=("dns error", "name not resolved"),
    ),
    ErrorEntry(
        id="name-resolution-in-context",
        symptom="0x8024402C: proxy or target name not resolved",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Commonly the Windows Update client; sometimes the server",
        meaning=(
            "The proxy's or the target's name was not resolved in the security context that asked, "
            "often a service."
        ),
        first_check=(
            "DNS and proxy settings in that context, not in yours; then DNS on the proxy itself."
        ),
        do_not_conclude=(
            "No proof of a firewall rule. Seen on a client, it says nothing about the "
            "synchronisation of the server."
        ),
        source=ARTICLE,
        codes=(0x8024402C,),
    ),
    ErrorEntry(
        id="connection-timeout",
        symptom="0x80072EE2, TCP time-out",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Server or client log",
        meaning="The other end did not answer in time.",
        first_check=(
            "The path that WSUS takes: its proxy settings, the proxy's log, then firewall and "
            "route to TCP 443 (8530 or 8531 of an upstream server), then DNS."
        ),
        do_not_conclude=(
            "Do not blame IIS without further evidence. Behind an explicit proxy a failed "
            "`Test-NetConnection` proves nothing: WSUS does not go that way."
        ),
        source=ARTICLE,
        codes=(0x80072EE2, 0x8007274C),
        phrases=(
            "operation has timed out",
            "operation timed out",
            "did not properly respond after a period of time",
            "timeout für vorgang",
            "timeout für den vorgang",
        ),
        questions=("tcp timeout", "tcp time-out", "timed out", "timeout", "time-out"),
    ),
    ErrorEntry(
        id="connection-refused",
        symptom="0x80072EFD: no connection could be made",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Server or client log",
        meaning="The connection was not established: refused, or no way there.",
        first_check=(
            "DNS, proxy, firewall, and for a downstream server the upstream's port and SSL: 8530 "
            "for HTTP and 8531 for HTTPS, 80 and 443 on old versions."
        ),
        do_not_conclude=(
            "No certificate fault: TLS was not reached. A direct test says little behind a proxy."
        ),
        source=ARTICLE,
        codes=(0x80072EFD, 0x8007274D),
        phrases=(
            "unable to connect to the remote server",
            "verbindung mit dem remoteserver kann nicht",
            "target machine actively refused",
            "zielcomputer die verbindung verweigerte",
        ),
        questions=("connection refused", "could not be established"),
    ),
    ErrorEntry(
        id="direct-test",
        symptom="Test-NetConnection or Resolve-DnsName fails, or works",
        severity=Severity.NOTE,
        depth="symptom",
        seen_in="A PowerShell prompt on the server",
        meaning="It tests the direct way and the local resolver, which WSUS may not use.",
        first_check=(
            "UseProxy: with a proxy, read the proxy's log. Without one, have the documented "
            "domains allowed by name; Microsoft supports no rules by address."
        ),
        do_not_conclude="Behind an explicit proxy neither result proves anything about WSUS.",
        source=CONFIGURE_ARTICLE,
        questions=("test-netconnection", "resolve-dnsname", "firewall"),
    ),
)
