"""wsusutil is judged by five signals; each of them lies alone once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.metadata import wsusutil
from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.index import index_package
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil import ApiSignal, PackageSignal, Signals
from tasks.metadata.wsusutil_log import LogSummary
from tests.metadata import writing
from tests.metadata.facts import server_facts
from tests.metadata.writing import Update, guid

UPDATES = (
    Update(10, kind="Category"),
    Update(1, 100),
    Update(1, 101, bundles=((2, 1),)),
    Update(2, deployable=False),
    Update(3),
)
RUN = "20310501T030000Z-export-0a1b2c"
NOW = datetime(2031, 5, 1, 3, 0, tzinfo=UTC)
FACTS = server_facts()
EXPORTED = Signals(
    exit_code=0,
    package=PackageSignal(size_bytes=4096, revisions=12),
    log=LogSummary("read", "ExportLog", updates=12),
    service="Running",
    api=ApiSignal(FACTS, FACTS),
)
IMPORTED = replace(EXPORTED, log=LogSummary("read", "ImportLog", updates=12))


def other(**changes: object) -> ServerFacts:
    return FACTS.model_copy(update=changes)


def test_an_export_succeeds_when_all_signals_agree() -> None:
    judgement = wsusutil.judge_export(EXPORTED)
    assert judgement.succeeded
    assert judgement.reason == ""
    assert [signal.name for signal in judgement.signals] == [
        "exit code",
        "package",
        "log",
        "service",
        "API",
    ]


def test_an_import_succeeds_when_all_signals_agree() -> None:
    assert wsusutil.judge_import(IMPORTED).succeeded


FAULTY_LOG = LogSummary("read", "ExportLog", 12, errors=2, messages=("Zugriff verweigert",))
EXPORT_FAULTS = {
    "a non-zero exit code beside a good package": (
        {"exit_code": 1},
        ("exit code",),
        "exit code: exit code 1",
    ),
    "no exit code": ({"exit_code": None}, ("exit code",), "ended without one"),
    "no package": (
        {"package": PackageSignal(None)},
        ("exit code", "log"),
        "there is no package",
    ),
    "an empty package": (
        {"package": PackageSignal(0)},
        ("exit code", "log"),
        "the package is empty",
    ),
    "a link in the place of the package": (
        {"package": PackageSignal(None, problem="it is a link")},
        ("exit code", "log"),
        "package: it is a link",
    ),
    "a package cut short": (
        {"package": PackageSignal(100, problem="the gzip stream ends early")},
        ("exit code", "log"),
        "the gzip stream ends early",
    ),
    "a package without revisions": (
        {"package": PackageSignal(100)},
        ("exit code", "log"),
        "holds no revisions",
    ),
    "fewer revisions than the log names": (
        {"package": PackageSignal(4096, revisions=11)},
        ("exit code", "log"),
        "holds 11 revisions, the log names 12",
    ),
    "an error in the log behind exit code 0": (
        {"log": FAULTY_LOG},
        ("exit code",),
        "names 2 errors, first: Zugriff verweigert",
    ),
    "no log after the end": ({"log": LogSummary("absent")}, ("exit code",), "there is no log"),
    "an empty log after the end": ({"log": LogSummary("empty")}, ("exit code",), "log is empty"),
    "a log cut short": (
        {"log": LogSummary("unreadable", "ExportLog", problem="line 3")},
        ("exit code",),
        "cannot be read to its end: line 3",
    ),
    "the other verb's log": (
        {"log": LogSummary("read", "ImportLog", updates=12)},
        ("exit code",),
        "is an ImportLog, not an ExportLog",
    ),
    "a service that stays down": ({"service": "Stopped"}, (), "WsusService is Stopped"),
    "a service that nobody saw": ({"service": None}, (), "was not seen"),
    "an API that does not answer": (
        {"api": ApiSignal(FACTS, None)},
        ("exit code", "log"),
        "the API does not answer",
    ),
    "another server than before": (
        {"api": ApiSignal(FACTS, other(server_id="another"))},
        ("exit code", "log"),
        "another server answers",
    ),
    "fewer updates than before": (
        {"api": ApiSignal(FACTS, other(update_count=1))},
        ("exit code", "log"),
        "100 updates before, 1 after",
    ),
}


@pytest.mark.parametrize("name", EXPORT_FAULTS)
def test_an_export_fails_by_one_signal_alone_and_names_the_contradicted(name: str) -> None:
    changes, contradicted, sentence = EXPORT_FAULTS[name]
    judgement = wsusutil.judge_export(replace(EXPORTED, **changes))  # type: ignore[arg-type]
    assert not judgement.succeeded
    assert judgement.contradicted == contradicted
    assert sentence in judgement.reason
    assert sum(1 for signal in judgement.signals if not signal.good) == 1


def test_an_exit_code_that_stands_alone_is_said_to_be_contradicted() -> None:
    judgement = wsusutil.judge_export(replace(EXPORTED, exit_code=1))
    assert judgement.reason == (
        "exit code: exit code 1, although every other signal speaks for success"
    )


IMPORT_FAULTS = {
    "a package that is gone": ({"package": PackageSignal(None)}, "the package is gone"),
    "a package that changed on the way": (
        {"package": PackageSignal(4096, revisions=12, changed=True)},
        "changed since it was verified",
    ),
    "an unreadable package": (
        {"package": PackageSignal(4096, problem="no closing ExportPackage")},
        "no closing ExportPackage",
    ),
    "an import that stopped half-way": (
        {"log": LogSummary("read", "ImportLog", updates=6)},
        "names 6 updates of the package's 12",
    ),
    "revisions that the server cannot find": (
        {"api": ApiSignal(FACTS, FACTS, unresolved=2, first_unresolved="abc 200")},
        "2 revisions are not on the server, first abc 200",
    ),
    "a service left stopped": ({"service": "StopPending"}, "WsusService is StopPending"),
    "a non-zero exit code": ({"exit_code": 5}, "exit code 5"),
}


@pytest.mark.parametrize("name", IMPORT_FAULTS)
def test_an_import_fails_by_one_signal_alone(name: str) -> None:
    changes, sentence = IMPORT_FAULTS[name]
    judgement = wsusutil.judge_import(replace(IMPORTED, **changes))  # type: ignore[arg-type]
    assert not judgement.succeeded
    assert sentence in judgement.reason


def test_an_import_log_that_names_no_updates_says_nothing_against_success() -> None:
    quiet = replace(IMPORTED, log=LogSummary("read", "ImportLog"))
    assert wsusutil.judge_import(quiet).succeeded


def test_counts_may_grow_and_never_have_to_equal_those_of_the_package() -> None:
    grown = replace(IMPORTED, api=ApiSignal(FACTS, other(update_count=5000)))
    assert wsusutil.judge_import(grown).succeeded


def test_when_every_signal_is_bad_none_is_contradicted() -> None:
    judgement = wsusutil.judge_export(
        Signals(1, PackageSignal(None), LogSummary("absent"), "Stopped", ApiSignal(None, None))
    )
    assert not judgement.succeeded
    assert judgement.contradicted == ()


@pytest.fixture
def package(tmp_path: Path) -> Iterator[PackageIndex]:
    """A package of three updates, one of them a child, in four revisions, and a category."""
    written = writing.write_package(tmp_path / "p.xml.gz", UPDATES)
    index_package(written, tmp_path / "index.sqlite")
    with PackageIndex(tmp_path / "index.sqlite") as index:
        yield index


def its_server(package: PackageIndex, **changes: object) -> ServerFacts:
    own = {"server_id": writing.SERVER_ID, "update_count": 2, "declined_count": 0}
    own |= {"protocol_version": package.summary.protocol_version, "clock": package.summary.created}
    return other(**own | changes)


def test_a_package_fits_the_server_that_wrote_it(package: PackageIndex) -> None:
    assert wsusutil.contradiction(package, its_server(package), [guid(1), guid(3)]) == ""
    longer = its_server(package, protocol_version=f"{package.summary.protocol_version}.0.0")
    assert wsusutil.contradiction(package, longer, []) == ""


@pytest.mark.parametrize("shown", [3, 5])
def test_no_more_updates_are_shown_than_there_are_declined_ones_apart(
    package: PackageIndex, shown: int
) -> None:
    server = its_server(package, update_count=shown, declined_count=shown - 3)
    assert wsusutil.contradiction(package, server, []) == ""
    server = its_server(package, update_count=shown, declined_count=shown - 4)
    assert "holds 3 updates, the API shows 4" in wsusutil.contradiction(package, server, [])


def test_a_package_of_another_server_or_another_time_contradicts(package: PackageIndex) -> None:
    for changes, sentence in (
        ({"server_id": FACTS.server_id}, "it is of server"),
        ({"protocol_version": "1.8"}, "the API answers with 1.8"),
        ({"clock": package.summary.created + timedelta(days=2)}, "before this export"),
    ):
        assert sentence in wsusutil.contradiction(package, its_server(package, **changes), [])


def test_a_package_without_what_is_approved_contradicts(package: PackageIndex) -> None:
    found = wsusutil.contradiction(package, its_server(package), [guid(1), guid(8), guid(7)])
    assert found == f"it lacks 2 updates that are approved, first {guid(7)}"


def test_names_are_new_for_each_run_even_within_a_second() -> None:
    one, two = (wsusutil.new_file_names("export", run=RUN) for _ in range(2))
    assert one != two
    assert one.package.startswith(f"export-{RUN}-")
    assert one.package.endswith(".xml.gz")
    assert one.log != one.package


def test_commands_are_lists_that_no_shell_sees() -> None:
    tool = [r"C:\Program Files\Update Services\Tools\WsusUtil.exe"]
    assert wsusutil.export_command(tool, r"C:\a b\p.xml.gz", r"C:\a b\l.xml") == [
        *tool,
        "export",
        r"C:\a b\p.xml.gz",
        r"C:\a b\l.xml",
    ]
    assert wsusutil.import_command(tool, "p", "l")[1:] == ["import", "p", "l"]
