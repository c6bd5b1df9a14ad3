"""Rules on certificates and time: our own over HTTPS, the upstream server's, and the stores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from tasks.checks.facts.certificates import Certificate, Certificates
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.rule import DISCONNECTED, STAGING, SYNCHRONISATION, Rule, rule

_GUIDE = "racknotes.pro, WSUS Sync Failed (resolve certificate trust failures)"
# Microsoft signs updates below these two; their thumbprints (SHA-1).
_MICROSOFT_ROOTS = {
    "3B1EFD3A66EA28B16697394703A72CA340A05BD5": "Microsoft Root Certificate Authority 2010",
    "8F43288AD272F3103B6FB1428485EA3014C0BCFE": "Microsoft Root Certificate Authority 2011",
}
_DAY = "%Y-%m-%d"
_TRUST = ("certificate-trust", "clock-or-certificate", "upstream-unreachable", "connection-closed")


@rule("Certificate of the upstream server", sides=STAGING, explains=(*SYNCHRONISATION, *_TRUST))
def upstream_certificate(facts: Facts) -> Iterable[Finding]:
    """Dates, name and chain of the certificate that the upstream server shows."""
    configuration = known(facts.configuration, "the configuration of WSUS")
    if configuration.upstream is None or not configuration.upstream_wsus_server_use_ssl:
        return ()
    upstream = known(facts.upstream, "the upstream server")
    certificate = known(upstream.certificate, "the certificate of the upstream server")
    return tuple(_upstream_faults(facts, certificate, configuration.upstream))


def _upstream_faults(facts: Facts, certificate: Certificate, name: str) -> Iterator[Finding]:
    dates = _dates(certificate, facts.now)
    if dates is not None:
        yield Finding(
            id="upstream-certificate-expired",
            severity="failure",
            evidence=f"{name} shows {certificate.subject}, {dates}",
            meaning="The upstream server's certificate is out of date, so that no HTTPS "
            "connection to it comes about.",
            next_step="Compare the clocks first; then renew the certificate on the upstream "
            "server, and bind it in IIS there.",
            document=_GUIDE,
        )
    if not certificate.fits(name):
        yield Finding(
            id="upstream-certificate-name",
            severity="failure",
            evidence=f"UpstreamWsusServerName = {name}; the certificate is for "
            f"{', '.join(certificate.names) or certificate.subject}",
            meaning="The upstream server's certificate is for another name than the one that this "
            "server is set to use.",
            next_step="Options, Update Source and Proxy Server: use the name in the certificate, "
            "the full one and not the short NetBIOS name; or have a certificate made for it.",
            document=_GUIDE,
        )
    stores = known(facts.certificates, "the certificate stores of the machine")
    missing = stores.missing_issuer(certificate)
    if missing is not None:
        yield Finding(
            id="upstream-certificate-chain",
            severity="failure",
            evidence=f"{name} shows {certificate.subject}; no store of the machine has {missing}",
            meaning="This machine does not trust the upstream server's certificate: an issuer of "
            "it is in none of the machine's stores.",
            next_step="Import the root into Trusted Root Certification Authorities of the local "
            "computer, and every certificate between into Intermediate Certification Authorities, "
            "never into Trusted Root. Then `certutil -verify -urlfetch FILE.cer`; the test that "
            "counts is the request in the service's own context.",
            document=_GUIDE,
        )


@rule("Certificate of this server")
def own_certificate(facts: Facts) -> Finding | None:
    """The certificate that IIS serves the site of WSUS with, if WSUS is set to use HTTPS."""
    stores = known(facts.certificates, "the certificate stores of the machine")
    if not known(stores.uses_ssl, "whether WSUS uses HTTPS"):
        return None
    bound = known(stores.bound, "the binding for HTTPS in IIS")
    problem = _own_problem(stores, bound, facts.now)
    if problem is None:
        return None
    return finding_of("server-certificate", evidence=problem, severity="warning")


def _own_problem(stores: Certificates, bound: str, now: datetime) -> str | None:
    if bound == "none":
        return "the site of WSUS has no binding for HTTPS in IIS"
    by_thumbprint = {
        certificate.thumbprint.casefold(): certificate for certificate in stores.in_store("My")
    }
    certificate = by_thumbprint.get(bound.casefold())
    if certificate is None:
        return f"the certificate {bound} that IIS names is not in the machine's Personal store"
    if certificate.has_private_key is False:
        return f"{certificate.subject} has no private key in the machine's Personal store"
    dates = _dates(certificate, now)
    if dates is not None:
        return f"{certificate.subject}, {dates}"
    name = stores.configured_name
    if name and not certificate.fits(name):
        shown = ", ".join(certificate.names) or certificate.subject
        return f"WSUS was configured for {name}, the certificate is for {shown}"
    missing = stores.missing_issuer(certificate)
    return None if missing is None else f"{certificate.subject}: no store has {missing}"


def _dates(certificate: Certificate, now: datetime) -> str | None:
    """Say how the dates are wrong; None if they are right or not known."""
    if certificate.not_after is not None and certificate.not_after < now:
        return f"valid until {certificate.not_after:{_DAY}}"
    if certificate.not_before is not None and certificate.not_before > now:
        return f"valid from {certificate.not_before:{_DAY}} on"
    return None


@rule("Trusted Root of the machine: roots only")
def intermediates(facts: Facts) -> Finding | None:
    """An intermediate certificate there widens what is trusted, and hides a broken chain."""
    stores = known(facts.certificates, "the certificate stores of the machine")
    wrong = [root.subject for root in stores.in_store("Root") if not root.is_self_signed]
    if not wrong:
        return None
    return Finding(
        id="intermediate-in-root",
        severity="warning",
        evidence=f"in Trusted Root, and no root: {'; '.join(wrong)}",
        meaning="Intermediate certificates lie among the trusted roots of this machine, which "
        "widens what it trusts.",
        next_step="Move them to Intermediate Certification Authorities of the local computer, and "
        "see that the chain holds.",
        document=_GUIDE,
    )


@rule("Root certificates of Microsoft", sides=DISCONNECTED)
def microsoft_roots(facts: Facts) -> Finding | None:
    """Without them WSUS deletes good content; a server behind the gap is not given them."""
    stores = known(facts.certificates, "the certificate stores of the machine")
    present = {root.thumbprint.upper() for root in stores.in_store("Root")}
    missing = [name for thumbprint, name in _MICROSOFT_ROOTS.items() if thumbprint not in present]
    if not missing:
        return None
    return Finding(
        id="microsoft-roots-missing",
        severity="warning",
        evidence=f"not in Trusted Root: {', '.join(missing)}",
        meaning="WSUS proves the signature of each content file, and without these roots it "
        "deletes good files after an import.",
        next_step="Bring the root certificates of Microsoft (on a connected machine `certutil "
        "-generateSSTFromWU FILE.sst`) and import them into Trusted Root of the local computer.",
        document="Observed: event 364 with 0x800B0109, and content that is deleted again",
    )


@rule("Time source of the machine")
def time_source(facts: Facts) -> Finding | None:
    """A machine that nobody sets drifts, and then good certificates look expired."""
    kind = known(known(facts.machine, "the server's Windows").time_source, "the time source")
    if kind != "NoSync":
        return None
    return Finding(
        id="time-source-none",
        severity="note",
        evidence="W32Time\\Parameters, Type = NoSync",
        meaning="Nothing sets the clock of this machine, so that it drifts.",
        next_step="Give it a time source (`w32tm /query /configuration`), or see that its "
        "hypervisor sets the clock.",
        document=_GUIDE,
    )


RULES: tuple[Rule, ...] = (
    upstream_certificate,
    own_certificate,
    intermediates,
    microsoft_roots,
    time_source,
)
