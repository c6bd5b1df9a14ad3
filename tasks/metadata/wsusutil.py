"""``wsusutil export`` and ``wsusutil import``: their commands, and a judgement of their success.

The program succeeded if five signals all speak for it: its exit code, its log, the package, the
service and the API's answers. No single signal is enough:

* Exit code 0 is the observed code of success, but Microsoft documents no code. An export of more
  than 2 GB into a cabinet made an empty file (WSUS product team blog, 2013-04-09).
* The log is XML, and its element names are not translated (constants in the WSUS assemblies).
* Standard output is translated into the language of Windows, so it is ignored.
* An import of a truncated package leaves half of the updates imported (observed), so the API is
  asked for the expected revisions.

If signals disagree, the judgement names the signals for success that the others contradict.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from tasks.metadata.catalogue import PackageIndex
from tasks.metadata.server import ServerFacts
from tasks.metadata.wsusutil_log import LogSummary

Verb = Literal["export", "import", "reset"]
SignalName = Literal["exit code", "package", "log", "service", "API"]
# A package may be this much older than the export. The zone of its time is not documented.
_OLDEST = timedelta(days=1)
_ROOTS: dict[Verb, str] = {"export": "ExportLog", "import": "ImportLog"}


@dataclass(frozen=True, slots=True)
class FileNames:
    """File names of one start of wsusutil, never used twice.

    ConfigMgr's "Synchronize software updates from a disconnected software update point": the names
    of package and log must be new in their folder.
    """

    stem: str

    @property
    def package(self) -> str:
        """File name of the package that an export writes."""
        return f"{self.stem}.xml.gz"

    @property
    def log(self) -> str:
        """File name of the log."""
        return f"{self.stem}.log.xml"


@dataclass(frozen=True, slots=True)
class PackageSignal:
    """Our own observation of the package.

    Attributes:
        size_bytes: None if there is no file, or it cannot be read.
        revisions: Number of ``Update`` elements; 0 if the package was not read to its end.
        problem: The error that stopped the reading, or a contradiction with the server; empty if
            there is none.
        changed: True if its bytes changed while ``wsusutil`` ran (import only).
    """

    size_bytes: int | None
    revisions: int = 0
    problem: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class ApiSignal:
    """The answers of the server's API before and after the run.

    Attributes:
        before, after: The server's facts; None if the API did not answer.
        unresolved: Number of revisions with an incoming decision that the server does not find
            (import only).
        first_unresolved: The first of these revisions, for the sentence.
    """

    before: ServerFacts | None
    after: ServerFacts | None
    unresolved: int = 0
    first_unresolved: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """The observations of one run; ``service`` is the service's state afterwards, or None."""

    exit_code: int | None
    package: PackageSignal
    log: LogSummary
    service: str | None
    api: ApiSignal


@dataclass(frozen=True, slots=True)
class Signal:
    """A judged signal.

    Attributes:
        good: True if the signal speaks for success.
        detail: A clause for the report, for example ``WsusService is Stopped``.
    """

    name: SignalName
    good: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The judgement of a run of wsusutil by all signals.

    Attributes:
        signals: All five, in a fixed order, for the report.
        contradicted: The signals that speak for success and that other signals prove wrong; or
            the exit code, if it alone speaks against success.
    """

    verb: Verb
    signals: tuple[Signal, ...]
    contradicted: tuple[SignalName, ...]

    @property
    def succeeded(self) -> bool:
        """True if all signals speak for success."""
        return all(signal.good for signal in self.signals)

    @property
    def reason(self) -> str:
        """The signals against success and the signals that they contradict; "" after a success."""
        bad = [signal for signal in self.signals if not signal.good]
        details = "; ".join(f"{signal.name}: {signal.detail}" for signal in bad)
        if not self.contradicted:
            return details
        if self.contradicted == tuple(signal.name for signal in bad):
            return f"{details}, although every other signal speaks for success"
        names = " and the ".join(self.contradicted)
        return f"{details} (this contradicts the {names})"


def new_file_names(verb: Verb, *, run: str) -> FileNames:
    """Make unique names from the id of the run, which begins with its time, and 64 random bits."""
    return FileNames(f"{verb}-{run}-{secrets.token_hex(8)}")


def export_command(wsusutil: Sequence[str], package: str, log: str) -> list[str]:
    """Return the command of an export.

    The package's name ends in ``.gz``, because with any other name wsusutil writes a cabinet,
    which cannot have more than 2 GB. Server 2012 needs KB2819484 to write gzip.
    """
    return [*wsusutil, "export", package, log]


def import_command(wsusutil: Sequence[str], package: str, log: str) -> list[str]:
    """Return the command of an import. wsusutil accepts it without a log; we always need one."""
    return [*wsusutil, "import", package, log]


def reset_command(wsusutil: Sequence[str], package: str, log: str) -> list[str]:
    """Return the command of a reset, which takes neither a package nor a log."""
    del package, log
    return [*wsusutil, "reset"]


def contradiction(index: PackageIndex, facts: ServerFacts, approved: Iterable[str]) -> str:
    """Describe a contradiction between a package and the server that wrote it; "" if none.

    It finds packages that are well-formed, but wrong: of another server, of an earlier export, or
    with half of the updates. The package must have at least as many updates as the API shows
    without the declined ones: the API hides some updates, and no document states that declined
    updates are exported.

    Args:
        index: The package's index.
        facts: The API's answer before the export began.
        approved: Ids of the updates that were approved then.
    """
    package = index.summary
    if package.server_id.lower() != facts.server_id.lower():
        return f"it is of server {package.server_id}, the API answers as {facts.server_id}"
    if _numbers(package.protocol_version) != _numbers(facts.protocol_version):
        return (
            f"it is of protocol version {package.protocol_version}, "
            f"the API answers with {facts.protocol_version}"
        )
    if facts.clock - package.created > _OLDEST:
        return f"it was made on {package.created:%Y-%m-%d %H:%M} UTC, before this export"
    missing = sorted({update_id for update_id in approved if index.latest(update_id) is None})
    if missing:
        return f"it lacks {len(missing)} updates that are approved, first {missing[0]}"
    expected, exported = facts.update_count - facts.declined_count, index.count_updates()
    if exported < expected:
        return f"it holds {exported} updates, the API shows {expected}"
    return ""


def _numbers(version: str) -> str:
    """Strip zeros from the end of a version: the number of its parts is not documented."""
    return version.removesuffix(".0").removesuffix(".0")


def judge_export(signals: Signals) -> Judgement:
    """Judge an export after it ended."""
    judged_signals = (
        _judge_exit_code(signals.exit_code),
        _judge_exported(signals.package, signals.log),
        _judge_log("export", signals.log),
        _judge_service(signals.service),
        _judge_api(signals.api),
    )
    return Judgement("export", judged_signals, _find_contradicted(judged_signals))


def judge_import(signals: Signals) -> Judgement:
    """Judge an import after it ended."""
    judged_signals = (
        _judge_exit_code(signals.exit_code),
        _judge_imported(signals.package),
        _judge_inserted(signals.package, signals.log),
        _judge_service(signals.service),
        _judge_api(signals.api),
    )
    return Judgement("import", judged_signals, _find_contradicted(judged_signals))


def _find_contradicted(signals: Sequence[Signal]) -> tuple[SignalName, ...]:
    """Find the signals that the others prove wrong; none if all signals agree.

    =============================================  ===========================================
    signals against success                        contradicted
    =============================================  ===========================================
    the exit code alone                            the exit code
    the service alone, or it and the exit code     none
    any other                                      exit code and log, if they speak for success
    =============================================  ===========================================

    Exit code and log report on the whole run, so a fault of package or API contradicts them.
    Package, service and API report only on themselves. A stopped service does not prove that the
    run failed: wsusutil stops it for an import, and it may only have failed to start again.
    """
    bad = {signal.name for signal in signals if not signal.good}
    if not bad or len(bad) == len(signals):
        return ()
    if bad == {"exit code"}:
        return ("exit code",)
    if not bad - {"service", "exit code"}:
        return ()
    whole_run: tuple[SignalName, ...] = ("exit code", "log")
    return tuple(name for name in whole_run if name not in bad)


def _good(name: SignalName, detail: str) -> Signal:
    return Signal(name, good=True, detail=detail)


def _bad(name: SignalName, detail: str) -> Signal:
    return Signal(name, good=False, detail=detail)


def _judge_exit_code(exit_code: int | None) -> Signal:
    if exit_code is None:
        return _bad("exit code", "it ended without one")
    return (_bad if exit_code else _good)("exit code", f"exit code {exit_code}")


def _judge_exported(package: PackageSignal, log: LogSummary) -> Signal:
    if package.problem:
        return _bad("package", package.problem)
    if package.size_bytes is None:
        return _bad("package", "there is no package")
    if package.size_bytes == 0:
        return _bad("package", "the package is empty")
    if package.revisions == 0:
        return _bad("package", "the package holds no revisions")
    if log.state == "read" and log.updates > package.revisions:
        detail = f"it holds {package.revisions} revisions, the log names {log.updates}"
        return _bad("package", detail)
    return _good("package", f"whole, {package.revisions} revisions")


def _judge_imported(package: PackageSignal) -> Signal:
    if package.size_bytes is None:
        return _bad("package", "the package is gone")
    if package.changed:
        return _bad("package", "the package has changed since it was verified")
    if package.problem:
        return _bad("package", package.problem)
    return _good("package", f"unchanged, {package.revisions} revisions")


def _judge_log(verb: Verb, log: LogSummary) -> Signal:
    if log.state == "absent":
        return _bad("log", "there is no log")
    if log.state == "empty":
        return _bad("log", "the log is empty")
    if log.errors:
        first = log.messages[0] if log.messages else "without a message"
        count = "an error" if log.errors == 1 else f"{log.errors} errors, first"
        return _bad("log", f"the log names {count}: {first}")
    if log.state == "unreadable":
        return _bad("log", f"the log cannot be read to its end: {log.problem}")
    if log.root != _ROOTS[verb]:
        return _bad("log", f"the log is an {log.root}, not an {_ROOTS[verb]}")
    return _good("log", f"no errors, {log.updates} updates named")


def _judge_inserted(package: PackageSignal, log: LogSummary) -> Signal:
    """Judge the log of an import: if it names any updates, it must name all of the package's.

    It has an ``UpdateInserted`` for new and existing updates (constants in the WSUS assemblies).
    """
    signal = _judge_log("import", log)
    if signal.good and 0 < log.updates < package.revisions:
        detail = f"the log names {log.updates} updates of the package's {package.revisions}"
        return _bad("log", detail)
    return signal


def _judge_service(service: str | None) -> Signal:
    if service is None:
        return _bad("service", "WsusService was not seen")
    return (_good if service == "Running" else _bad)("service", f"WsusService is {service}")


def _judge_api(api: ApiSignal) -> Signal:
    if api.after is None:
        return _bad("API", "the API does not answer")
    if api.before is not None:
        if api.before.server_id != api.after.server_id:
            return _bad("API", "another server answers than before")
        if api.after.update_count < api.before.update_count:
            detail = (
                f"the server had {api.before.update_count} updates before, "
                f"{api.after.update_count} after"
            )
            return _bad("API", detail)
    if api.unresolved:
        detail = f"{api.unresolved} revisions are not on the server, first {api.first_unresolved}"
        return _bad("API", detail)
    return _good("API", f"the server has {api.after.update_count} updates")
