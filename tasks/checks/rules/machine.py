"""Rules on the machine: service, account, PowerShell, clock."""

from __future__ import annotations

from datetime import timedelta

from tasks.checks.facts.gathered import Facts
from tasks.checks.facts.machine import Machine
from tasks.checks.facts.topic import known
from tasks.checks.finding import Finding
from tasks.checks.rules.rule import SYNCHRONISATION, Rule, rule

_MINUTE = "%Y-%m-%d %H:%M UTC"
_MOST_CLOCK_DIFFERENCE = timedelta(minutes=5)


@rule("WsusService: running", explains=SYNCHRONISATION)
def service(facts: Facts) -> Finding | None:
    """Without its service neither API nor synchronisation works."""
    status = known(_machine(facts).service_status, "the state of WsusService")
    if status == "Running" or facts.own.at_work:
        return None  # a wsusutil at work may have stopped it, and starts it again
    return Finding(
        id="service-stopped",
        severity="failure",
        evidence=f"WsusService: {status}",
        meaning="The service of WSUS does not run, so nothing about the server can be asked.",
        next_step="See in the Application event log why it stopped, then start WsusService. "
        "`export` and `import` start it themselves.",
    )


@rule("API of WSUS and its database: answer", explains=(*SYNCHRONISATION, "wsusutil-fails"))
def api(facts: Facts) -> Finding | None:
    """A service that runs may still not answer: database, WsusPool, rights."""
    if facts.server is not None:
        return None
    status = known(_machine(facts).service_status, "the state of WsusService")
    if status != "Running" or facts.own.at_work:
        return None
    return Finding(
        id="api-unanswered",
        severity="failure",
        evidence=known(facts.unknown.get("server"), "the answer of the API"),
        meaning="WsusService runs, and the API of WSUS does not answer.",
        next_step="See that the database service and WsusPool run, and that our account is a "
        "member of WSUS Administrators or of the local Administrators; then the console itself.",
    )


@rule("Our folder for content: on the volume of WsusContent")
def work_volume(facts: Facts) -> Finding | None:
    """Placing and deleting are renames, which work within one volume only."""
    machine = _machine(facts)
    ours = known(machine.work_volume, "the volume of our folder for content")
    content = known(machine.content_volume, "the volume of WsusContent")
    if ours.casefold() == content.casefold():
        return None
    return Finding(
        id="work-folder-volume",
        severity="failure",
        evidence=f"our folder for content is on {ours}, WsusContent on {content}",
        meaning="Content is placed by a rename, which is impossible between two volumes.",
        next_step="Set server.work_dir to a folder on the volume of WsusContent.",
    )


@rule("Account of our scripts: a local administrator", explains=("wsusutil-fails",))
def administrator(facts: Facts) -> Finding | None:
    """Without these rights the API and wsusutil refuse."""
    if known(_machine(facts).is_administrator, "the rights of the account"):
        return None
    return Finding(
        id="account-rights",
        severity="failure",
        evidence="the account of our scripts is no local administrator, or its rights are filtered",
        meaning="The API of WSUS and wsusutil need a local administrator.",
        next_step="Put the account of `server.address` into the local group Administrators (for "
        "local accounts over SSH see deploy/README.md), then check again.",
    )


@rule("PowerShell: FullLanguage")
def language_mode(facts: Facts) -> Finding | None:
    """Application control can put PowerShell into a mode in which the API cannot be called."""
    mode = known(_machine(facts).language_mode, "PowerShell's language mode")
    if mode == "FullLanguage":
        return None
    return Finding(
        id="language-mode",
        severity="failure",
        evidence=f"$ExecutionContext.SessionState.LanguageMode = {mode}",
        meaning="Application control (AppLocker, WDAC) restricts PowerShell; our scripts cannot "
        "use the API of WSUS in this mode.",
        next_step="Sign or allow our scripts there (deploy/README.md, installed scripts), then set "
        "server.scripts_dir in the site file.",
        document="Microsoft Learn, about_Language_Modes",
    )


@rule("PowerShell: execution policy")
def execution_policy(facts: Facts) -> Finding | None:
    """A policy set by group policy overrides the switch that our scripts are started with."""
    policy = known(_machine(facts).execution_policy, "the execution policy")
    if policy not in {"AllSigned", "Restricted"}:
        return None
    return Finding(
        id="execution-policy",
        severity="warning",
        evidence=f"execution policy set by group policy: {policy}",
        meaning="Group policy decides which scripts run; ours run only as long as they are signed "
        "or allowed.",
        next_step="Install our scripts on the server and sign them (deploy/README.md), then set "
        "server.scripts_dir in the site file.",
        document="Microsoft Learn, about_Execution_Policies",
    )


@rule(
    "Clock of the server against this machine",
    explains=(
        *SYNCHRONISATION,
        *("clock-or-certificate", "certificate-trust", "upstream-certificate-expired"),
    ),
)
def clock(facts: Facts) -> Finding | None:
    """Our clock is the reference, because it stamps bundles.

    The server's was read at some time between the question and the answer, which can be minutes.
    """
    server_clock = known(_machine(facts).clock, "the server's clock")
    earliest = (facts.asked or facts.now) - _MOST_CLOCK_DIFFERENCE
    if earliest <= server_clock <= facts.now + _MOST_CLOCK_DIFFERENCE:
        return None
    return Finding(
        id="clock-differs",
        severity="failure",
        evidence=f"server {server_clock:{_MINUTE}}, this machine {facts.now:{_MINUTE}}",
        meaning="The clocks of the WSUS server and of this machine differ; a wrong clock makes "
        "good certificates look expired and dates of bundles wrong.",
        next_step="Compare both with a reference; set date, time, time zone and time source of the "
        "one that is wrong.",
        document="racknotes.pro, WSUS Sync Failed (Incorrect system time)",
    )


def _machine(facts: Facts) -> Machine:
    return known(facts.machine, "the server's Windows")


RULES: tuple[Rule, ...] = (
    service,
    api,
    administrator,
    language_mode,
    execution_policy,
    clock,
    work_volume,
)
