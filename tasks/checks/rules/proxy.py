"""Rules on the proxy. The settings of WSUS itself are the truth; WinHTTP's are context only."""

from __future__ import annotations

from tasks.checks.facts.configuration import Configuration
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import NotKnownError, known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.log_signs import LogSign
from tasks.checks.rules.log import signs_since_success
from tasks.checks.rules.rule import CONNECTION, STAGING, SYNCHRONISATION, Rule, rule

_GUIDE = "Microsoft Learn, Setting up update synchronizations"
_CONSOLE = "Options, Update Source and Proxy Server, Proxy Server, in the WSUS console"
_FAILED_CONNECTIONS = frozenset(
    {"name-resolution", "connection-timeout", "connection-refused", "proxy-settings"}
)


@rule("Proxy of WSUS: complete", sides=STAGING, explains=(*SYNCHRONISATION, "proxy-settings"))
def incomplete(facts: Facts) -> Finding | None:
    """A proxy that is switched on, but has no name."""
    configuration = _configuration(facts)
    if not known(configuration.use_proxy, "UseProxy") or configuration.proxy_name:
        return None
    return finding_of(
        "proxy-settings", evidence="UseProxy = True, ProxyName is empty", severity="failure"
    )


@rule(
    "Separate proxy of WSUS for HTTPS",
    sides=STAGING,
    explains=(*SYNCHRONISATION, *CONNECTION, "proxy-settings"),
)
def separate(facts: Facts) -> Finding | None:
    """The synchronisation uses HTTPS, so that a separate HTTPS proxy is the one that counts."""
    configuration = _configuration(facts)
    if not known(configuration.use_separate_proxy_for_ssl, "UseSeparateProxyForSsl"):
        return None
    name = configuration.ssl_proxy_name or ""
    shown = f"SslProxyName = {name or '(empty)'}, port {configuration.ssl_proxy_server_port}"
    seen = _failure_of(facts, name) if name else None
    if name and seen is None:
        return None
    return Finding(
        id="proxy-separate",
        severity="failure",
        evidence=shown if seen is None else f"{shown}: {seen.evidence}",
        meaning="WSUS uses a separate proxy for HTTPS, and that proxy does not work; the "
        "synchronisation goes through it, whatever the standard proxy does.",
        next_step=f"{_CONSOLE}, shows the standard proxy; the HTTPS one is set with `wsusutil "
        "ConfigureSSLproxy SERVER PORT -enable`. Compare name and port, then test again with TLS "
        "inspection bypassed for the domains of Microsoft Update.",
        document=_GUIDE,
    )


def _failure_of(facts: Facts, name: str) -> LogSign | None:
    """Find the newest failure since the last success that names a proxy, or blames the proxy."""
    try:
        signs = tuple(signs_since_success(facts))
    except NotKnownError:
        return None
    failures = [
        sign
        for sign in signs
        if _FAILED_CONNECTIONS & set(sign.ids)
        and ("proxy-settings" in sign.ids or name.casefold() in sign.evidence.casefold())
    ]
    return failures[-1] if failures else None


@rule("Password for the proxy", sides=STAGING)
def basic_authentication(facts: Facts) -> Finding | None:
    """Basic authentication sends the password in clear text."""
    configuration = _configuration(facts)
    in_clear = known(
        configuration.allow_proxy_credentials_over_non_ssl, "AllowProxyCredentialsOverNonSsl"
    )
    if not (in_clear and configuration.use_proxy):
        return None
    return Finding(
        id="proxy-basic-authentication",
        severity="note",
        evidence="AllowProxyCredentialsOverNonSsl = True",
        meaning="WSUS sends the user's password to the proxy in clear text.",
        next_step="Use it only on a trusted internal network or over an encrypted channel; else "
        "give the proxy another way to know this server.",
        document=_GUIDE,
    )


def _configuration(facts: Facts) -> Configuration:
    return known(facts.configuration, "the configuration of WSUS")


RULES: tuple[Rule, ...] = (incomplete, separate, basic_authentication)
