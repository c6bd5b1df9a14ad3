"""The error reference: endpoints of Microsoft Update, TLS and certificates."""

from __future__ import annotations

from tasks.checks.reference_entry import (
    ARTICLE,
    IMPORT_ARTICLE,
    SOAP_ARTICLE,
    ErrorEntry,
    Severity,
)

_LOG = "SoftwareDistribution.log"
_STACK_TRACE = "SoftwareDistribution.log, in the stack trace; MUUrl of the configuration"

ENDPOINT = (
    ErrorEntry(
        id="endpoint-decommissioned",
        symptom="fe2.update.microsoft.com in a log line, or in MUUrl",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_STACK_TRACE,
        meaning=(
            "The server synchronises with fe2.update.microsoft.com, which Microsoft switched off "
            "for WSUS; every connection to it fails."
        ),
        first_check=(
            "Compare MUUrl with the endpoint in the stack trace. On the topmost server, the one "
            "with SyncFromMicrosoftUpdate = True, MUUrl has to be "
            "https://sws.update.microsoft.com and RedirectorChangeNumber 4002."
        ),
        do_not_conclude=(
            "No network fault: timeouts, resets and names that do not resolve follow from it. "
            "Clients of Microsoft Update may still use the name. Never change MUUrl on a "
            "downstream or replica server."
        ),
        source=SOAP_ARTICLE,
        phrases=("fe2.update.microsoft.com",),
    ),
    ErrorEntry(
        id="endpoint-old",
        symptom="sws1.update.microsoft.com in a log line, or in MUUrl",
        severity=Severity.WARNING,
        depth="cause",
        seen_in=_STACK_TRACE,
        meaning=(
            "The server synchronises with sws1.update.microsoft.com, an old endpoint that "
            "Microsoft plans to switch off."
        ),
        first_check=(
            "Move to https://sws.update.microsoft.com before that happens (Server 2012 and later): "
            "MUUrl, and RedirectorChangeNumber 4002. It accepts TLS 1.2 only, so look at the "
            "SCHANNEL lines first."
        ),
        do_not_conclude=(
            "Not yet the reason for a failure by itself: sws1 still answers, also with TLS 1.0. "
            "A server that works with sws1 may fail with sws for want of TLS 1.2."
        ),
        source=IMPORT_ARTICLE,
        phrases=("sws1.update.microsoft.com",),
    ),
)

CERTIFICATES = (
    ErrorEntry(
        id="clock-or-certificate",
        symptom="0x80072F8F: secure channel, certificate or clock",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="Server or client log",
        meaning=(
            "The certificate was not accepted: its dates, its name or its chain, or the local "
            "clock that its dates are compared with."
        ),
        first_check=(
            "The clock: date, time, time zone and time source of the WSUS server. Then validity, "
            "name and chain of the certificate."
        ),
        do_not_conclude=(
            "Do not replace certificates before the clock is known to be right: a wrong clock "
            "makes a good certificate look expired or not yet valid."
        ),
        source=ARTICLE,
        codes=(0x80072F8F,),
    ),
    ErrorEntry(
        id="certificate-trust",
        symptom="Could not establish trust relationship for the SSL/TLS secure channel",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in=_LOG,
        meaning=(
            "The server's certificate was refused: its chain is not trusted by the machine, its "
            "name is another, or it is out of date."
        ),
        first_check=(
            "Clock, then chain, name and expiry as the machine sees them: Trusted Root of the "
            "local computer for the root, Intermediate Certification Authorities for the rest; "
            "the name in the configuration against Subject and SAN. On a connected server "
            "`certutil -verify -urlfetch FILE.cer`; and the request made in the service's context."
        ),
        do_not_conclude=(
            "That a browser trusts it proves nothing: it uses the user's store. Never put an "
            "intermediate certificate into Trusted Root to force the chain."
        ),
        source=ARTICLE,
        codes=(0x80090325, 0x800B010F, 0x80090328),
        phrases=(
            "could not establish trust relationship",
            "remote certificate is invalid",
            "keine vertrauensstellung",
            "remotezertifikat ist",
        ),
        questions=("certificate name", "certificate … expired", "netbios name"),
    ),
)

TLS = (
    ErrorEntry(
        id="no-common-algorithm",
        symptom="They do not possess a common algorithm",
        severity=Severity.FAILURE,
        depth="cause",
        seen_in="SoftwareDistribution.log; the output of a manual Catalog import",
        meaning=(
            "The two ends share no TLS version or cipher suite: TLS 1.2 is not used, or a policy "
            "leaves no suite that the endpoint accepts."
        ),
        first_check=(
            "Synchronisation fails: the SCHANNEL lines near the last service start, then SSL "
            "Cipher Suite Order in the policy (`gpresult /scope computer /h report.html`). Only "
            "the manual Catalog import fails: SchUseStrongCrypto of the .NET Framework."
        ),
        do_not_conclude=(
            "Synchronisation and manual import are two TLS paths: that one works proves nothing "
            "about the other. No certificate fault, and no firewall fault."
        ),
        source=IMPORT_ARTICLE,
        codes=(0x80090331,),
        phrases=("possess a common algorithm", "keinen gemeinsamen algorithmus"),
        questions=("no common algorithm", "cipher suite"),
    ),
    ErrorEntry(
        id="tls-protocols",
        symptom="SCHANNEL Protocol lines, or their absence",
        severity=Severity.NOTE,
        depth="cause",
        seen_in="SoftwareDistribution.log, near the start of the service",
        meaning=(
            "WSUS says which TLS versions it uses. `'TLS 1.0' disabled`, `'TLS 1.1' disabled` and "
            "`subkey for 'TLS 1.2' not found. Protocol is enabled` together are right."
        ),
        first_check=(
            "Restart the service, run `iisreset`, then read the lines. Absent on Server 2012 or "
            "2012 R2: install KB4022721 (2012) or KB4022720 (2012 R2), or a later Monthly Rollup; "
            "Security-Only updates do not bring the fix."
        ),
        do_not_conclude=(
            "`subkey ... not found` is no error: the default is in force, and TLS 1.2 is enabled. "
            "Lines that are absent from an extract of the log may stand before it."
        ),
        source=IMPORT_ARTICLE,
        phrases=("schannel protocol", "schannel protocols subkey"),
        questions=("kb4022721", "kb4022720", "tls 1.2"),
    ),
    ErrorEntry(
        id="connection-closed",
        symptom="The underlying connection was closed; TLS reset",
        severity=Severity.FAILURE,
        depth="symptom",
        seen_in="SoftwareDistribution.log; the output of a manual Catalog import",
        meaning=(
            "The other end, or something between, broke off the connection, most often while TLS "
            "was negotiated. What follows the colon says more."
        ),
        first_check=(
            "MUUrl, then TLS 1.2 (the SCHANNEL lines) and the cipher policy; then a test with TLS "
            "inspection bypassed. If only the manual Catalog import fails: SchUseStrongCrypto."
        ),
        do_not_conclude=(
            "No proof of a firewall fault: sws.update.microsoft.com itself answers a TLS 1.0 "
            "greeting with a reset."
        ),
        source=IMPORT_ARTICLE,
        phrases=(
            "underlying connection was closed",
            "forcibly closed by the remote host",
            "zugrunde liegende verbindung wurde",
            "vom remotehost geschlossen",
        ),
        questions=("tls reset", "connection reset", "connection was closed"),
    ),
)
