"""Rules on TLS: the path of the synchronisation, and that of the manual Catalog import.

They are two paths. The synchronisation goes through SCHANNEL, whose settings the service writes
into its log when it starts. The import of single updates from the Microsoft Update Catalog goes
through the .NET Framework, which has settings of its own.
"""

from __future__ import annotations

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.log import Log
from tasks.checks.facts.log_lines import is_service_start
from tasks.checks.facts.tls import Tls
from tasks.checks.facts.topic import NotKnownError, RegistryNumber, known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.log_signs import LogSign
from tasks.checks.rules.log import signs_since_success
from tasks.checks.rules.rule import STAGING, SYNCHRONISATION, Rule, rule

_TLS_1_2 = "TLS 1.2"
# Windows Server 2012 and 2012 R2 need an update before WSUS can use TLS 1.2 for its
# synchronisation (Microsoft Learn, Troubleshoot WSUS synchronization and import issues).
_UPDATES = {"6.2": "KB4022721", "6.3": "KB4022720"}
_CONSEQUENCES = (*SYNCHRONISATION, "connection-closed", "no-common-algorithm", "connection-reset")
_IMPORT_GUIDE = "Microsoft Learn, Troubleshoot WSUS synchronization and import issues"


@rule("TLS 1.2 of the synchronisation", sides=STAGING, explains=_CONSEQUENCES)
def protocols(facts: Facts) -> Finding | None:
    """The lines on SCHANNEL that the service wrote when it started last."""
    log = known(facts.log, "SoftwareDistribution.log")
    lines = _schannel_lines(log)
    disabled = next((line for line in lines if _disables_tls_1_2(line)), None)
    if disabled is not None:
        return finding_of(
            "tls-protocols",
            evidence=disabled.evidence,
            severity="failure",
            next_step="TLS 1.2 is switched off for this machine, and the endpoint accepts nothing "
            "older: enable it below HKLM\\SYSTEM\\CurrentControlSet\\Control\\SecurityProviders\\"
            "SCHANNEL\\Protocols\\TLS 1.2\\Client, restart the machine, and read the lines again.",
        )
    if lines:
        return None
    machine = known(facts.machine, "the version of Windows")
    version = known(machine.windows_version, "the version of Windows")
    update = _UPDATES.get(".".join(version.split(".")[:2]))
    if update is None:
        return None
    start = known(log.service_start, "the last start of the service in the log")
    return finding_of(
        "tls-protocols",
        evidence=f"Windows {version}: no SCHANNEL line since the service started at "
        f"{start:%Y-%m-%d %H:%M:%S} UTC",
        severity="failure",
        next_step=f"Install {update} or a later Monthly Rollup that supersedes it (Security-Only "
        "updates do not bring it); restart WsusService, run `iisreset`, and read the lines again.",
    )


def _schannel_lines(log: Log) -> list[LogSign]:
    """List the newest start's lines; without a start in the part that was read, all lines.

    The order in the log decides: two starts can lie in one millisecond.
    """
    starts = [index for index, sign in enumerate(log.signs) if is_service_start(sign)]
    newest = starts[-1] if starts else 0
    return [sign for sign in log.signs[newest:] if sign.protocol]


def _disables_tls_1_2(line: LogSign) -> bool:
    return line.protocol == _TLS_1_2 and line.is_enabled is False


@rule("Cipher suites that policy allows", sides=STAGING, explains=_CONSEQUENCES)
def cipher_policy(facts: Facts) -> Finding | None:
    """A policy on cipher suites that leaves none which Microsoft Update accepts."""
    tls = _tls(facts)
    policy = known(tls.cipher_suite_policy, "the policy on cipher suites")
    suites = tls.cipher_suites
    if suites is None:
        return None
    # Which suites the endpoint accepts is not documented. All that TLS 1.2 needs for its
    # certificate (RSA) and forward secrecy begin so; 2012 R2 adds the curve to the name.
    has_modern = any(suite.upper().startswith("TLS_ECDHE_RSA_WITH_AES_") for suite in suites)
    if has_modern and not _no_common_algorithm(facts):
        return None
    return Finding(
        id="cipher-policy",
        severity="failure",
        evidence=f"SSL Cipher Suite Order: {policy}",
        meaning="Group policy restricts the cipher suites of this machine, and none of the rest "
        "suits Microsoft Update, so that no TLS connection comes about.",
        next_step="`gpresult /scope computer /h report.html`, Computer Configuration, SSL Cipher "
        "Suite Order: allow suites that begin with TLS_ECDHE_RSA_WITH_AES_, or set the policy to "
        "`Not configured`; restart the machine.",
        document=_IMPORT_GUIDE,
    )


def _no_common_algorithm(facts: Facts) -> bool:
    try:
        return any("no-common-algorithm" in sign.ids for sign in signs_since_success(facts))
    except NotKnownError:
        return False


@rule("TLS of the manual Catalog import (.NET Framework)", sides=STAGING)
def strong_cryptography(facts: Facts) -> Finding | None:
    """Strong cryptography of the .NET Framework; it says nothing about the synchronisation."""
    tls = _tls(facts)
    version = known(known(facts.machine, "the version of Windows").windows_version, "its version")
    strong: RegistryNumber = known(tls.strong_crypto, "SchUseStrongCrypto")
    default: RegistryNumber = known(tls.system_default_tls_versions, "SystemDefaultTlsVersions")
    if not is_weak(strong, default, windows_version=version):
        return None
    return Finding(
        id="strong-cryptography",
        severity="warning",
        evidence=f"SchUseStrongCrypto = {strong}, SystemDefaultTlsVersions = {default} "
        f"(Windows {version})",
        meaning="The .NET Framework on this server may use TLS 1.0 only: `catalog-import` and "
        "other manual imports from the Microsoft Update Catalog fail. The synchronisation takes "
        "another path and is not affected.",
        next_step="`wsus-airgap repair strong-cryptography` sets SchUseStrongCrypto = 1. If that "
        "is not enough, Microsoft also documents `w3wp.exe.config`, which changes every worker "
        "process of IIS on that machine.",
        document=_IMPORT_GUIDE,
    )


def is_weak(strong: RegistryNumber, default: RegistryNumber, *, windows_version: str) -> bool:
    """Return True if programs of .NET Framework 4 may be limited to TLS 1.0.

    Windows 10 and Server 2016 (version 10) brought a framework whose default is strong.
    """
    if 1 in (strong, default):
        return False
    return strong == 0 or not windows_version.startswith("10.")


def _tls(facts: Facts) -> Tls:
    return known(facts.tls, "the settings of TLS in the registry")


RULES: tuple[Rule, ...] = (protocols, cipher_policy, strong_cryptography)
