"""Rules on the upstream server, for a staging server that synchronises from another one."""

from __future__ import annotations

from tasks.checks.facts.configuration import Configuration
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.rule import CONNECTION, STAGING, SYNCHRONISATION, Rule, rule

_GUIDE = "racknotes.pro, WSUS Sync Failed (upstream and downstream)"
_WITHOUT_SSL = frozenset({80, 8530})
_WITH_SSL = frozenset({443, 8531})
_CONSEQUENCES = (
    *SYNCHRONISATION,
    *CONNECTION,
    *("upstream-unreachable", "access-forbidden"),
    *("upstream-service", "upstream-self-update", "upstream-port-closed"),
)


@rule(
    "Content of a downstream server: its source",
    sides=STAGING,
    explains=("downloads-failed", "content-download"),
)
def content_source(facts: Facts) -> Finding | None:
    """Content straight from Microsoft needs a way out of its own; right as long as it works."""
    configuration = _downstream(facts)
    if configuration is None:
        return None
    is_from_microsoft = known(configuration.get_content_from_mu, "GetContentFromMU")
    failed = known(facts.server, "the API of WSUS").failed_downloads
    if not (is_from_microsoft and failed):
        return None
    return Finding(
        id="content-source",
        severity="warning",
        evidence=f"GetContentFromMU = True, upstream server: {configuration.upstream}; "
        f"{failed} updates with failed downloads",
        meaning="This server takes its catalogue from the upstream server and its content files "
        "from Microsoft itself, and those downloads fail.",
        next_step="Let it reach the domains that Microsoft documents (`wsus-airgap check "
        "--firewall-export FILE`), or have it download from the upstream server: Options, Update "
        "Files and Languages, clear `Download files from Microsoft Update`.",
        document=_GUIDE,
    )


@rule("Replica mode: meant", sides=STAGING)
def replica_mode(facts: Facts) -> Finding | None:
    """Nothing on the server says whether it is meant; a person has to know what it leaves out."""
    configuration = known(facts.configuration, "the configuration of WSUS")
    if not configuration.is_replica_server:
        return None
    upstream = configuration.upstream or "none (SyncFromMicrosoftUpdate = True)"
    return finding_of(
        "replica-mode", evidence=f"IsReplicaServer = True, upstream server: {upstream}"
    )


@rule("Upstream server: port and SSL", sides=STAGING, explains=_CONSEQUENCES)
def port_and_ssl(facts: Facts) -> Finding | None:
    """A port of HTTP with SSL, or of HTTPS without. Odd numbers that work are nobody's fault."""
    configuration = _downstream(facts)
    if configuration is None or not _has_failed(facts):
        return None
    port = known(configuration.upstream_wsus_server_port_number, "the port of the upstream server")
    uses_ssl = known(configuration.upstream_wsus_server_use_ssl, "SSL to the upstream server")
    is_refused = facts.upstream is not None and facts.upstream.service == "403" and not uses_ssl
    if not is_refused and port not in (_WITHOUT_SSL if uses_ssl else _WITH_SSL):
        return None
    shown = f"port {port}, UpstreamWsusServerUseSsl = {uses_ssl}"
    return Finding(
        id="upstream-port",
        severity="failure",
        evidence=f"{configuration.upstream}: {shown}"
        + ("; it answers 403: SSL required" if is_refused else ""),
        meaning="Port and SSL to the upstream server do not belong together.",
        next_step="Options, Update Source and Proxy Server: 8530 without SSL or 8531 with it (80 "
        "and 443 on old versions), as the upstream server's site is bound in IIS.",
        document=_GUIDE,
    )


@rule("Upstream server: its port takes connections", sides=STAGING)
def port_open(facts: Facts) -> Finding | None:
    """A probe from this server; through a proxy it proves nothing."""
    configuration = _downstream(facts)
    if configuration is None:
        return None
    if known(known(facts.upstream, "the upstream server").opens, "a test of its port"):
        return None
    return Finding(
        id="upstream-port-closed",
        severity="warning",
        evidence=f"{configuration.upstream}:{configuration.upstream_wsus_server_port_number} "
        "takes no connection from this server",
        meaning="The upstream server's port could not be opened from here.",
        next_step="See that the upstream server is up and its site in IIS is started and bound to "
        "that port; then the firewall in between. A ping, or another port, proves nothing.",
        document=_GUIDE,
    )


@rule("Upstream server: ClientWebService answers", sides=STAGING)
def service_answers(facts: Facts) -> Finding | None:
    """The request that the synchronisation begins with, under our account and not the service's."""
    configuration = _downstream(facts)
    if configuration is None:
        return None
    answer = known(known(facts.upstream, "the upstream server").service, "its ClientWebService")
    if answer in {"200", "TrustFailure", "ConnectFailure", "NameResolutionFailure", "Timeout"}:
        return None  # other rules speak of certificates and ports
    return Finding(
        id="upstream-service",
        severity="warning",
        evidence=f"{configuration.upstream}: ClientWebService/client.asmx answers {answer}",
        meaning="The web service of the upstream server does not answer as it should.",
        next_step="On the upstream server: WsusPool and the site in IIS, SoftwareDistribution.log "
        "and the Application log of this minute.",
        document=_GUIDE,
    )


@rule("Upstream server: SelfUpdate over HTTP", sides=STAGING)
def self_update(facts: Facts) -> Finding | None:
    """SelfUpdate is asked over HTTP, whatever else uses SSL."""
    configuration = _downstream(facts)
    if configuration is None:
        return None
    answer = known(known(facts.upstream, "the upstream server").self_update, "its SelfUpdate")
    if answer != "403":
        return None
    return Finding(
        id="upstream-self-update",
        severity="warning",
        evidence=f"{configuration.upstream}: selfupdate/iuident.cab answers {answer}",
        meaning="SelfUpdate of the upstream server requires SSL, which clients do not use for it.",
        next_step="On the upstream server: IIS, SelfUpdate, SSL Settings: clear Require SSL.",
        document=_GUIDE,
    )


@rule("Upstream server: its full name", sides=STAGING)
def short_name(facts: Facts) -> Finding | None:
    """Certificates are made for full names; a short one was often entered during set-up."""
    configuration = _downstream(facts)
    if configuration is None or not configuration.upstream_wsus_server_use_ssl:
        return None
    name = str(configuration.upstream)
    certificate = facts.upstream.certificate if facts.upstream else None
    if "." in name or certificate is not None:
        return None  # with the certificate at hand its names are compared
    return Finding(
        id="upstream-short-name",
        severity="warning",
        evidence=f"UpstreamWsusServerName = {name}",
        meaning="The upstream server is named by a short name, and certificates are for full ones.",
        next_step="Options, Update Source and Proxy Server: enter the full name, as it stands in "
        "the certificate of the upstream server.",
        document=_GUIDE,
    )


def _downstream(facts: Facts) -> Configuration | None:
    """The configuration of a server that has an upstream server; None for any other."""
    configuration = known(facts.configuration, "the configuration of WSUS")
    return configuration if configuration.upstream else None


def _has_failed(facts: Facts) -> bool:
    history = known(facts.synchronisation, "the history of synchronisations")
    return history.newest is not None and history.newest.result == "Failed"


RULES: tuple[Rule, ...] = (
    port_and_ssl,
    port_open,
    service_answers,
    self_update,
    short_name,
    content_source,
    replica_mode,
)
