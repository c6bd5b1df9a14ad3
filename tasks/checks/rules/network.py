"""Rules on probes of names and ports. Behind an explicit proxy direct ones prove nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.network import Probe
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding, finding_of
from tasks.checks.rules.rule import CONNECTION, STAGING, Rule, rule


@rule("Names and ports of Microsoft Update, from here", sides=STAGING)
def direct(facts: Facts) -> Iterator[Finding]:
    """The endpoint and the downloads, tried directly."""
    configuration = known(facts.configuration, "the configuration of WSUS")
    probes = known(facts.network, "the probes of names and ports").probes
    for probe in probes:
        problem = None if probe.is_proxy else _problem(probe)
        if problem is None:
            continue
        entry, evidence = problem
        if configuration.uses_proxy_for_https:
            continue  # WSUS does not go that way, so that it says nothing
        yield finding_of(entry, evidence=evidence, severity="warning")


@rule("Proxy of WSUS, from here", sides=STAGING, explains=("proxy-settings", *CONNECTION))
def proxy(facts: Facts) -> Iterator[Finding]:
    """Name and port of each proxy that WSUS is set to use."""
    for probe in known(facts.network, "the probes of names and ports").probes:
        problem = _problem(probe) if probe.is_proxy else None
        if problem is not None:
            yield Finding(
                id="proxy-unreachable",
                severity="warning",
                evidence=problem[1],
                meaning="A proxy that WSUS is set to use could not be reached from this server.",
                next_step="Compare name and port with Options, Update Source and Proxy Server; "
                "then the proxy's own log of CONNECT requests.",
                document="racknotes.pro, WSUS Sync Failed (firewall, DNS and outbound access)",
            )


def _problem(probe: Probe) -> tuple[str, str] | None:
    """Entry of the error reference and evidence; None if it works, or cannot be said."""
    if probe.resolves is False:
        return "name-resolution", f"Resolve-DnsName {probe.name}: not resolved on this server"
    if probe.opens is False:
        shown = f"Test-NetConnection {probe.name} -Port {probe.port}"
        return "connection-timeout", f"{shown}: TcpTestSucceeded = False"
    return None


RULES: tuple[Rule, ...] = (direct, proxy)
