"""Each fault alone is named first as the cause; sets of faults are named whole, gravest first.

The facts come from a lab's server with its knobs turned, read in this process. A seed draws the
faults and their order, names of hosts, and what else stands in the log: what was wrong on days
before the last success, and entries that mean nothing. Both languages have the same number of sets.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from deploy import lab
from deploy.lab.knobs import KNOBS
from tasks.checks.finding import Finding, is_at_least
from tasks.checks.judgement import judge
from tasks.checks.rules import ALL
from tasks.names import Side
from tests.checks.lab_facts import LogEntry, change, copy_of, facts_of, turn, write_log

# The finding by which each knob is named.
CAUSES = {
    "endpoint-fe2": "endpoint-decommissioned",
    "endpoint-sws1": "endpoint-old",
    "tls-lines-absent": "tls-protocols",
    "cipher-policy": "cipher-policy",
    "proxy-407": "proxy-authentication",
    "proxy-separate": "proxy-separate",
    "name-unresolved": "name-resolution",
    "tcp-timeout": "connection-timeout",
    "upstream-chain": "upstream-certificate-chain",
    "upstream-name": "upstream-certificate-name",
    "upstream-expired": "upstream-certificate-expired",
    "clock": "clock-differs",
    "upstream-port": "upstream-port",
    "upstream-ssl": "upstream-port",
    "self-update-ssl": "ssl-required-wrongly",
    "upstream-older": "version-order",
    "content-elsewhere": "content-not-stored",
}
# The other knobs whose finding has another name than they; None: nothing is wrong, or not on this
# side.
OTHER_NAMES: dict[str, str | None] = {
    "account-unknown": None,
    "server-id": None,  # by the ledger alone, the next by the other server
    "express-files": None,
    "content-share": "content-on-share",
    "time-source": "time-source-none",
    "tls-1.2-disabled": "tls-protocols",
    "strong-cryptography-off": "strong-cryptography",
    "proxy": None,
    "proxy-basic": "proxy-basic-authentication",
    "proxy-nameless": "proxy-settings",
    "proxy-unresolved": "proxy-unreachable",
    "schedule": None,
    "no-products": "succeeded-nothing-new",
    "database-busy": "database-synchronisation",
    "upstream": None,
    "content-from-microsoft": None,  # until downloads fail
    "replica": "replica-mode",
    "upstream-down": "upstream-port-closed",
    "https": None,
    "content-ssl": "ssl-required-wrongly",
    "services-without-ssl": "ssl-not-required",
    "content-path": "content-virtual-path",
    "pool-recycled": "pool-memory",
    "content-rights": "content-permissions",
    "certificate-unbound": "server-certificate",
    "certificate-no-key": "server-certificate",
    "certificate-expired": "server-certificate",
    "certificate-name": "server-certificate",
    "microsoft-roots": None,
    "protocol-newer": None,  # `probe` names it
}
# tests/lab/test_stand_in_agrees.py and tests/e2e/test_check.py
NO_SCRIPT_RUNS = {"language-mode"}
OTHERS = {
    knob: OTHER_NAMES.get(knob, knob) for knob in KNOBS.keys() - CAUSES.keys() - NO_SCRIPT_RUNS
}
NAMED = CAUSES | {knob: finding for knob, finding in OTHERS.items() if finding is not None}
# Faults on the way to Microsoft Update, which a server with an upstream server does not go.
DIRECT = {"endpoint-fe2", "endpoint-sws1", "cipher-policy", "tls-lines-absent", "proxy-407",
          "proxy-separate", "proxy-nameless", "proxy-unresolved", "name-unresolved",
          "tcp-timeout"}  # fmt: skip
SETS = 200
VARIANTS = 50


@pytest.fixture(scope="module", params=["en", "de"])
def healthy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("healthy") / "lab"
    lab.create(folder, updates=5, content_bytes=5_000, language=request.param)
    return folder


def findings(folder: Path, renamed: dict[str, str] | None = None) -> tuple[Finding, ...]:
    return judge(facts_of(folder, renamed=renamed), ALL).findings


@pytest.mark.parametrize("knob", CAUSES)
def test_a_fault_alone_is_named_first_and_nothing_else_as_a_cause(
    knob: str, healthy: Path, tmp_path: Path
) -> None:
    folder = copy_of(healthy, tmp_path / "lab")
    turn(folder, [knob])
    first, *others = findings(folder)
    assert first.id == CAUSES[knob]
    assert first.consequence_of == ()
    assert first.meaning.endswith(".")
    assert first.next_step.endswith(".")
    for other in others:
        assert CAUSES[knob] in other.consequence_of, other


def test_every_knob_is_named_by_its_finding(healthy: Path, tmp_path: Path) -> None:
    assert CAUSES.keys() | OTHER_NAMES.keys() <= KNOBS.keys()
    for knob, expected in OTHERS.items():
        folder = copy_of(healthy, tmp_path / knob)
        turn(folder, [knob])
        named = findings(folder)
        assert (named[0].id if named else None) == expected, knob


def test_missing_roots_of_microsoft_are_named_behind_the_gap(healthy: Path, tmp_path: Path) -> None:
    folder = copy_of(healthy, tmp_path / "lab")
    turn(folder, ["microsoft-roots"], side="disconnected")
    (finding,) = judge(facts_of(folder, Side.DISCONNECTED), ALL).findings
    assert finding.id == "microsoft-roots-missing"


def _excludes(one: str, other: str) -> bool:
    """True if two faults cannot be on one server: they set the same thing, or go other ways."""
    if "upstream-older" in {one, other} and KNOBS[one].failure and KNOBS[other].failure:
        return True  # versions are compared only once there is a connection
    is_shared = KNOBS[one].settings.keys() & KNOBS[other].settings.keys()
    return bool(is_shared) or (
        {one in DIRECT, other in DIRECT} == {True, False}
        and any("UpstreamWsusServerName" in KNOBS[knob].settings for knob in (one, other))
    )


def _drawn(dice: random.Random) -> list[str]:
    chosen: list[str] = []
    drawn_from = sorted(dice.choice((CAUSES, NAMED)))
    for knob in dice.sample(drawn_from, len(drawn_from)):
        if not any(_excludes(knob, other) for other in chosen):
            chosen.append(knob)
    return chosen[: dice.randint(1, 4)]


def _renamed(dice: random.Random) -> dict[str, str]:
    word = "".join(dice.choice("abcdefghijkmnpqrstuvwxyz") for _ in range(6))
    return {"proxy.example": f"{word}.example", "tls-proxy.example": f"tls-{word}.example",
            "wsus-up": f"up-{word}"}  # fmt: skip


def _wrong(knobs: Sequence[str], named: Sequence[Finding]) -> str:
    """What is wrong with the findings of some faults; empty if nothing is."""
    expected = {NAMED[knob] for knob in knobs}
    missing = expected - {finding.id for finding in named}
    if missing:
        return f"not named: {missing}"
    if named[0].id not in expected:
        return f"{named[0].id} is named first"
    ranks = [finding.severity for finding in named]
    if any(not is_at_least(one, two) for one, two in pairwise(ranks)):
        return "not gravest first"
    causes = [f.id for f in named if not f.consequence_of and f.id not in expected]
    return f"named as causes too: {causes}" if causes else ""


# What failed on other days, and is over; English and German, as .NET and WSUS write it.
_OVER = (
    "WebException: The remote name could not be resolved: 'fe2.update.microsoft.com'",
    "WebException: Der Remotename konnte nicht aufgelöst werden: 'sws1.update.microsoft.com'",
    "WebException: The remote server returned an error: (407) Proxy Authentication Required.",
    "WebException: Timeout für Vorgang überschritten",
    "SoapException: Fault occurred\n   at System.Web.Services.Protocols.ReadResponse()",
    "EventId=386,Type=Error,Category=Synchronization,Message=Synchronization failed.",
    "The client and server cannot communicate, because they do not possess a common algorithm",
    "EventId=364,Type=Error,Category=Synchronization,Message=Content file download failed.",
)
_MEANINGLESS = (
    ("Info", "ThreadEntry", "ThreadHelper.ThreadStart of worker 12"),
    ("Info", "DBConnection.OnReceivingInfoMessage", "spDeploymentAutomation done"),
    ("Warning", "SoapUtilities.CreateException", "ThrowException: actor = /SimpleAuth.asmx"),
    ("Info", "EventLogEventReporter.ReportEvent", "EventId=10000,Type=Information,Category=1"),
)


def _past(dice: random.Random) -> list[LogEntry]:
    """Days before the last success, on which other things were wrong."""
    days = sorted((dice.uniform(2, 400) for _ in range(dice.randint(0, 8))), reverse=True)
    return [
        LogEntry(timedelta(days=day), "Error", "CatalogSyncAgent.Run", dice.choice(_OVER))
        for day in days
    ]


def _noise(dice: random.Random) -> list[LogEntry]:
    count = dice.randint(0, 12)
    return [LogEntry(timedelta(0), *dice.choice(_MEANINGLESS)) for _ in range(count)]


def wrong_sets(dice: random.Random, healthy: Path, work: Path, count: int) -> list[str]:
    """Draw sets of faults; gives those that are not named whole, gravest first."""
    wrong = []
    for number in range(count):
        knobs, renamed = _drawn(dice), _renamed(dice)
        folder = copy_of(healthy, work / str(number), past=_past(dice))
        for knob in knobs:
            write_log(folder, _noise(dice))
            turn(folder, [knob])
        write_log(folder, _noise(dice))
        problem = _wrong(knobs, findings(folder, renamed))
        if problem:
            wrong.append(f"{knobs}: {problem}")
        shutil.rmtree(folder)
    return wrong


def test_sets_of_faults_are_named_whole_and_gravest_first(healthy: Path, tmp_path: Path) -> None:
    dice = random.Random(20_310_501)
    assert wrong_sets(dice, healthy, tmp_path, SETS // 2) == []  # for each of the two languages


_SUITES = "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
_WAYS: list[dict[str, Any]] = [
    {},
    {"UseProxy": True, "ProxyName": "10.1.1.7", "ProxyServerPort": 3128},
    {"UseProxy": True, "ProxyName": "proxy", "AnonymousProxyAccess": False,
     "HasProxyPassword": True},
    {"UseProxy": True, "ProxyName": "p", "UseSeparateProxyForSsl": True,
     "SslProxyName": "q.example", "SslProxyServerPort": 8443},
    {"SyncFromMicrosoftUpdate": False, "UpstreamWsusServerName": "up.example",
     "UpstreamWsusServerPortNumber": 9443, "UpstreamWsusServerUseSsl": True},
    {"SyncFromMicrosoftUpdate": False, "UpstreamWsusServerName": "UP",
     "UpstreamWsusServerPortNumber": 80},
    {"MUUrl": "HTTPS://SWS.update.microsoft.com/", "RedirectorChangeNumber": 4003},
]  # fmt: skip
_REST: list[dict[str, Any]] = [
    {"machine.windows_version": "6.3.9600"},
    {"machine.windows_version": "10.0.26100", "machine.execution_policy": "RemoteSigned"},
    {"schedule": [4, True, 60]},
    {"machine.clock_offset_seconds": -200},
    {"machine.content_rights": [["S-1-1-0", 131241, "Allow"]]},
    {"machine.mime_types": [".*"]},
    {"machine.winhttp_proxy": "Proxy Server(s) : 10.0.0.1:8080"},
    {r"registry:SOFTWARE\Policies\Microsoft\Cryptography\Configuration\SSL\00010002|Functions":
     _SUITES},
    {r"registry:SYSTEM\CurrentControlSet\Services\W32Time\Parameters|Type": "NTP"},
    {"DownloadExpressPackages": True, "AutoApproveWsusInfrastructureUpdates": False},
    {"machine.pool_private_memory_kb": 0},
    {"machine.pool_private_memory_kb": 4_000_000},
]  # fmt: skip


def wrong_variants(dice: random.Random, healthy: Path, work: Path, count: int) -> list[str]:
    """Draw odd but right servers; gives the findings that one has all the same."""
    wrong = []
    for number in range(count):
        settings: dict[str, Any] = dict(dice.choice(_WAYS))
        for part in dice.sample(_REST, dice.randint(0, 4)):
            settings |= part
        folder = copy_of(healthy, work / str(number), past=_past(dice))
        write_log(folder, _noise(dice))
        if dice.random() < 0.3:
            turn(folder, ["https"])
        change(folder, settings)
        wrong += [f"{settings}: {finding}" for finding in findings(folder)]
        shutil.rmtree(folder)
    return wrong


def test_odd_but_right_servers_have_no_finding(healthy: Path, tmp_path: Path) -> None:
    assert wrong_variants(random.Random(4_002), healthy, tmp_path, VARIANTS // 2) == []


def test_the_disconnected_server_of_a_lab_has_no_finding(healthy: Path, tmp_path: Path) -> None:
    folder = copy_of(healthy, tmp_path / "lab")
    assert judge(facts_of(folder, Side.DISCONNECTED), ALL).findings == ()
