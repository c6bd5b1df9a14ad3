"""The product's scripts use nothing of WSUS but what its API is known to have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tasks.scripts
from tests.scripts.members import ENUMERATIONS, TYPES, Script, parse
from tests.support import needs

pytestmark = needs.pwsh

FOLDER = Path(tasks.scripts.__file__).parent
SCRIPTS = sorted(FOLDER.glob("*.ps1"))
# What the scripts ask of objects that are not WSUS's: .NET, and what PowerShell's cmdlets give.
_NAMES = """
Abs Access AccessControlType action Add AddAccessRule AddDays AddRange AddSeconds AddTicks Append
Arguments Assembly AuthenticateAsClient AutoFlush BaseStream certificate certificateHash Clear
Close Collect Combine command CommandLine ComputeHash ConnectAsync ContainsKey content_work_dir
CopyToAsync Count cpu_seconds Create CreateDirectory CreateNoWindow CreationDate CurrentUICulture
deadline declined Delete Depth DirectorySeparatorChar DnsNameList EnumerateFiles Error error
error_type Escape Exception Exists exit_code ExitCode fileExtension FileName FileSystem
FileSystemRights Flush FreeSpace from FullName FullyQualifiedErrorId GetAccessControl
GetAccessRules GetAttribute GetAttributes GetBytes GetCurrent GetCurrentProcess
GetDirectoryName GetEncoding GetExtension GetFileName GetInterfaces GetMembers GetOwner
GetProcessById GetStream GetString
group HasExited HasPrivateKey Host HResult Id IdentityReference Index inherit InnerException
InvariantCulture InvocationInfo IsNullOrEmpty IsPathRooted Issuer job Join key Keys Kind
LanguageMode LastIndexOf Length license_accepted license_required LinkType LoadWithPartialName
Local LocalName MainModule Match Max MaxValue members Message Min MinValue Move n Name name
NamespaceURI NewGuid NewLine NextMatch NodeType NotAfter NotBefore op Open opens optional Ordinal
OrdinalIgnoreCase OSVersion Owner Parse parts path PhysicalPath Platform PositionMessage ProcessId
Properties ProviderName PSObject PSVersion Push Read ReadAllLines ReadAllText ReadLine ReadWrite
RedirectStandardError RedirectStandardInput RedirectStandardOutput RemoteCertificate Remove
RemoveAccessRuleSpecific ReparsePoint Replace restarts result ReturnValue Reverse revision running
Seek self_update SequentialScan service SessionState SetAccessControl SetAccessRuleProtection
since Sort Split StandardError StandardInput StandardOutput Start StartsWith StartTime state
Status StatusCode Subject Substring Success Target TcpTestSucceeded Thumbprint Ticks
TicksPerSecond TimeCreated title to ToArray ToLowerInvariant topics TotalMinutes
TotalProcessorTime TotalSeconds ToUniversalTime ToUpperInvariant Trim TrimEnd type Unicode
update_id User UseShellExecute Utc UtcNow UTF8 Value Version Wait wait_seconds WaitForExit where
Win32NT WorkingDirectory Write WriteAllText WriteLine Year
"""
ELSEWHERE = set(_NAMES.split())


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Script]:
    folder = tmp_path_factory.mktemp("syntax")
    return {each.path.name: each for each in parse(needs.path("pwsh"), SCRIPTS, folder)}


def test_every_script_of_the_product_is_parsed(scripts: dict[str, Script]) -> None:
    assert len(scripts) == len(SCRIPTS) >= 12
    assert not [each.syntax["errors"] for each in scripts.values() if each.syntax["errors"]]


@pytest.mark.parametrize("name", [path.name for path in SCRIPTS])
def test_a_script_uses_only_members_that_wsus_has(scripts: dict[str, Script], name: str) -> None:
    assert not list(scripts[name].findings(ELSEWHERE))


def test_types_are_followed_into_the_corners_of_the_scripts(scripts: dict[str, Script]) -> None:
    reading = scripts["read-approvals.ps1"].variables
    assert reading["server"] == {"IUpdateServer"}
    assert reading["approval"] == {"IUpdateApproval"}
    assert reading["update"] == {"IUpdate"}
    assert reading["scope"] == {"UpdateScope"}
    assert "IComputerTargetGroup" in reading["group"]
    applying = scripts["apply-approvals.ps1"].variables
    assert applying["update"] == {"IUpdate"}
    assert "IUpdateApproval" in applying["old"]
    assert "IComputerTargetGroup" in applying["group"]


INVENTED = {
    "a method": ("$server.GetAllTheThings()", "IUpdateServer has no GetAllTheThings"),
    "a property": ("$server.GetConfiguration().IsOffline", "has no IsOffline"),
    "a member behind a loop": (
        "foreach ($x in $server.GetUpdates($s)) { $x.Explode() }",
        "IUpdate has no Explode",
    ),
    "a member behind a function": (
        "function Get-It { return $server.GetSubscription() }\n(Get-It).Hurry()",
        "ISubscription has no Hurry",
    ),
    "too few arguments": ("$server.GetUpdate()", "takes no 0 arguments"),
    "a property called as a method": ("$server.Version()", "is used as what it is not"),
    "a type": (
        "New-Object Microsoft.UpdateServices.Administration.UpdateWish",
        "there is no type",
    ),
    "a value of an enumeration": (
        "[Microsoft.UpdateServices.Administration.ApprovedStates]'Any, Perhaps'",
        "has no Perhaps",
    ),
    "a member of nobody knows what": ("$whatever.Frobnicate()", "of a value that nobody knows"),
}


@pytest.fixture(scope="module")
def inventions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Script]:
    folder = tmp_path_factory.mktemp("invented")
    start = "$server = [Microsoft.UpdateServices.Administration.AdminProxy]::GetUpdateServer()\n"
    paths = []
    for number, (text, _) in enumerate(INVENTED.values()):
        paths.append(folder / f"{number}.ps1")
        paths[-1].write_text(start + text, "utf-8")
    parsed = parse(needs.path("pwsh"), paths, folder)
    return dict(zip(INVENTED, parsed, strict=True))


@pytest.mark.parametrize("name", INVENTED)
def test_what_is_invented_is_found(inventions: dict[str, Script], name: str) -> None:
    (finding,) = inventions[name].findings(ELSEWHERE)
    assert INVENTED[name][1] in finding.what


def test_no_name_allowed_elsewhere_stands_there_without_need(scripts: dict[str, Script]) -> None:
    used = {each[1][2] for script in scripts.values() for each in script.syntax["members"]}
    assert not ELSEWHERE - used


def test_the_table_of_members_is_whole() -> None:
    assert len(TYPES) > 50
    assert len(ENUMERATIONS) > 40
    assert TYPES["IUpdateServer"]["GetUpdates"]["arguments"] == [0, 1, 5]
    assert TYPES["IUpdate"]["Approve"]["arguments"] == [2, 3]
    assert TYPES["UpdateCollection"]["[]"] == {"gives": "IUpdate"}


def test_no_script_asks_for_all_updates(scripts: dict[str, Script]) -> None:
    for script in scripts.values():
        for _, expression in script.syntax["members"]:
            if expression[0] == "call" and expression[2] == "GetUpdates":
                assert len(expression[4]) == 1


def test_built_in_groups_are_known_by_id_and_never_by_name() -> None:
    for path in SCRIPTS:
        text = path.read_text("ascii")
        assert not re.search(r"(?<!GetType\(\))\.Name -c?eq", text), path.name
