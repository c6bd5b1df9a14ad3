"""Plan of a repair: settings that it changes, with their old values, restarts, a reset. Pure.

A repair sets only what stands in ``OFFERS``, which is data; the script that applies it has the same
list of settings and refuses any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from blake3 import blake3
from pydantic import BaseModel, ConfigDict

from tasks.bundle.canonical import canonical_json
from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.topic import NotKnownError, known
from tasks.checks.rules.endpoint import ENDPOINT, REDIRECTOR_CHANGE_NUMBER
from tasks.errors import UsageError
from tasks.names import Side
from tasks.refusals import ServerUnfitError

Value = str | int
"""A value of a setting; ``not set`` if a value of the registry is not there."""

Restart = Literal["iis", "WsusService", "W3SVC"]

_FRAMEWORK = r"SOFTWARE\Microsoft\.NETFramework\v4.0.30319"
_SHOWN = {
    "iis": "all of IIS (iisreset)",
    "WsusService": "the service WsusService",
    "W3SVC": "the service W3SVC of IIS",
}


class Change(BaseModel):
    """One setting, its value before the repair, and its value after it.

    Attributes:
        where: WSUS's configuration, or the registry below HKEY_LOCAL_MACHINE.
        key: The key of the registry; None for the configuration.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: Literal["configuration", "registry"]
    key: str | None = None
    name: str
    before: Value
    after: Value

    @property
    def sentence(self) -> str:
        """The change in words."""
        owner = f"HKLM\\{self.key}\\" if self.key else ""
        return f"{owner}{self.name}: {self.before} becomes {self.after}"

    def undone(self) -> Change:
        """The change that puts the old value back."""
        return self.model_copy(update={"before": self.after, "after": self.before})


class RepairPlan(BaseModel):
    """All that a repair, or its undoing, does on the server.

    Attributes:
        finding: Id of the finding.
        server_id: The server for which it was planned.
        is_undo: True if it puts back what an earlier repair changed.
        synchronises: True if a synchronisation is started afterwards and watched.
        resets: Number of approved updates by the state that WSUS gives them, if ``wsusutil reset``
            is run; else None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    finding: str
    server_id: str
    is_undo: bool = False
    changes: tuple[Change, ...]
    restarts: tuple[Restart, ...]
    synchronises: bool = False
    resets: tuple[tuple[str, int], ...] | None = None

    @property
    def digest(self) -> str:
        """BLAKE3 over the whole plan, hex."""
        return blake3(canonical_json(self.model_dump(mode="json"))).hexdigest()

    @property
    def sentences(self) -> tuple[str, ...]:
        """All that is done, in its order."""
        return (
            *(f"set {change.sentence}" for change in self.changes),
            *(f"restart {_SHOWN[restart]}" for restart in self.restarts),
            *(["start a synchronisation, and watch it"] if self.synchronises else []),
            *(_reset_sentences(self.resets) if self.resets is not None else []),
        )


def _reset_sentences(states: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    counts = ", ".join(f"{count} {state}" for state, count in states) or "none"
    return (
        f"record the state of every approved update: {counts}",
        "run wsusutil reset, and wait until WSUS has verified all approved content",
    )


@dataclass(frozen=True, slots=True)
class Offer:
    """A repair that a finding offers.

    Attributes:
        sides: The sides on which the finding is looked for.
        changes: Gives the settings whose values are not yet those of the repair.
        require: Refuses a server on which the repair may not be done.
        restarts, synchronises: As in ``RepairPlan``.
        warnings: What a person has to know before, one sentence each.
        resets: True if ``wsusutil reset`` is run, which the site file has to allow.
    """

    sides: frozenset[Side]
    changes: Callable[[Facts], Iterator[Change]]
    require: Callable[[Facts], None]
    restarts: tuple[Restart, ...]
    synchronises: bool
    warnings: tuple[str, ...]
    resets: bool = False


def _known_value(value: Value | None, name: str) -> Value:
    if value is None:
        raise NotKnownError(name)
    return value


def _endpoint_changes(facts: Facts) -> Iterator[Change]:
    configuration = known(facts.configuration, "the configuration of WSUS")
    targets: tuple[tuple[str, Value | None, Value], ...] = (
        ("MUUrl", configuration.mu_url, ENDPOINT),
        (
            "RedirectorChangeNumber",
            configuration.redirector_change_number,
            REDIRECTOR_CHANGE_NUMBER,
        ),
    )
    for name, value, target in targets:
        before = _known_value(value, name)
        if before != target:
            yield Change(where="configuration", name=name, before=before, after=target)


def _require_topmost(facts: Facts) -> None:
    """Refuse a server that synchronises from another one: its endpoint is its upstream server.

    Raises:
        ServerUnfitError: It is a downstream server or a replica.
    """
    configuration = known(facts.configuration, "the configuration of WSUS")
    if configuration.sync_from_microsoft_update and not configuration.is_replica_server:
        return
    role = "a replica" if configuration.is_replica_server else "a downstream server"
    raise ServerUnfitError(
        side=facts.side.value,
        reason=f"it is {role}, which synchronises from {configuration.upstream or 'another server'}"
        " and never from Microsoft Update itself (SyncFromMicrosoftUpdate = "
        f"{configuration.sync_from_microsoft_update})",
        remedy="Repair the topmost server, the one with SyncFromMicrosoftUpdate = True; change "
        "nothing here.",
    )


def _cryptography_changes(facts: Facts) -> Iterator[Change]:
    tls = known(facts.tls, "the settings of TLS in the registry")
    before = _known_value(tls.strong_crypto, "SchUseStrongCrypto")
    if before != 1:
        name = "SchUseStrongCrypto"
        yield Change(where="registry", key=_FRAMEWORK, name=name, before=before, after=1)


def _require_nothing(facts: Facts) -> None:
    """Refuse no server."""
    del facts


def _require_log(facts: Facts) -> None:
    """Refuse a server whose SoftwareDistribution.log cannot be read: no end would be recognised.

    Raises:
        NotKnownError: It was not read.
    """
    known(facts.log, "SoftwareDistribution.log, which shows the end of a reset,")


def _no_changes(facts: Facts) -> Iterator[Change]:
    """Change no setting."""
    del facts
    yield from ()


_STAGING = frozenset({Side.STAGING})
_CONSOLES = "Close every WSUS console first: an open one may write the old values back."
_ENDPOINT = Offer(
    sides=_STAGING,
    changes=_endpoint_changes,
    require=_require_topmost,
    restarts=("iis", "WsusService"),
    synchronises=True,
    warnings=(
        "iisreset restarts all of IIS: other sites and programs on this server are interrupted.",
        _CONSOLES,
    ),
)
OFFERS: dict[str, Offer] = {
    "endpoint-decommissioned": _ENDPOINT,
    "endpoint-old": _ENDPOINT,
    "downloads-failed": Offer(
        sides=frozenset(Side),
        changes=_no_changes,
        require=_require_log,
        restarts=(),
        synchronises=False,
        warnings=(
            "Read the reasons in event 364 first: a reset makes WSUS forget what failed.",
            "WSUS reads all approved content again, which takes hours on a large server.",
            "WSUS deletes files that it cannot trust.",
            "It downloads nothing on a disconnected server: what is missing fails again.",
            "It cannot be undone.",
        ),
        resets=True,
    ),
    "strong-cryptography": Offer(
        sides=_STAGING,
        changes=_cryptography_changes,
        require=_require_nothing,
        restarts=("WsusService", "W3SVC"),
        synchronises=False,
        warnings=(
            "SchUseStrongCrypto counts for every program of the .NET Framework 4 on this server.",
            "W3SVC is the web service of IIS: other sites on this server are interrupted.",
            _CONSOLES,
        ),
    ),
}


def offer_of(finding: str) -> Offer:
    """Return the repair that a finding offers.

    Raises:
        UsageError: There is none.
    """
    if finding in OFFERS:
        return OFFERS[finding]
    raise UsageError(
        reason=f"{finding} is no finding with a repair; those are {', '.join(OFFERS)}",
        remedy="`wsus-airgap check` lists the findings, each with its next step.",
    )


def plan_repair(
    finding: str, facts: Facts, *, states: tuple[tuple[str, int], ...] = ()
) -> RepairPlan:
    """Plan the repair of a finding from the facts of its server.

    Args:
        finding: Id of the finding.
        facts: The facts of its server.
        states: Number of approved updates by the state that WSUS gives them, for a reset.

    Raises:
        UsageError: The finding offers no repair.
        ServerUnfitError: The repair may not be done on this server.
        NotKnownError: A fact that it needs is not known.
    """
    offer = offer_of(finding)
    offer.require(facts)
    return RepairPlan(
        finding=finding,
        server_id=known(facts.server, "the API of WSUS").server_id,
        changes=tuple(offer.changes(facts)),
        restarts=offer.restarts,
        synchronises=offer.synchronises,
        resets=states if offer.resets else None,
    )


def plan_undo(plan: RepairPlan) -> RepairPlan:
    """Plan the undoing of a repair: the old values, and the same restarts. Nothing is synchronised.

    Args:
        plan: The repair as it was carried out.

    Raises:
        UsageError: It was a reset, which nothing undoes.
    """
    if plan.resets is not None:
        raise UsageError(
            reason="`wsusutil reset` cannot be undone",
            remedy=f"The state before it lies in the report of the repair of {plan.finding}.",
        )
    changes = tuple(change.undone() for change in plan.changes)
    return plan.model_copy(update={"is_undo": True, "synchronises": False, "changes": changes})
