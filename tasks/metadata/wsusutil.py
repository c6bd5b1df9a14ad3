"""``wsusutil export`` and ``import``: how they are called, and whether they succeeded.

No single signal is believed. The program succeeded when its exit code, its log, the package, the
service and the API's answers all agree; what it prints is localised and proves nothing. Where
signals disagree, the judgement names those that said success and were wrong.
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

Verb = Literal["export", "import"]
SignalName = Literal["exit code", "package", "log", "service", "API"]
# Nobody documents the zone of the time in a package.
_OLDEST = timedelta(days=1)
_ROOTS: dict[Verb, str] = {"export": "ExportLog", "import": "ImportLog"}


@dataclass(frozen=True, slots=True)
class FileNames:
    """Names of one start: WSUS wants both to be new in their folder, so they are never reused."""

    stem: str

    @property
    def package(self) -> str:
        """Name of the package that an export writes."""
        return f"{self.stem}.xml.gz"

    @property
    def log(self) -> str:
        """Name of the log."""
        return f"{self.stem}.log.xml"


@dataclass(frozen=True, slots=True)
class PackageSignal:
    """What we read of the package ourselves.

    Attributes:
        size_bytes: None when there is no file, or none that can be read.
        revisions: ``Update`` elements in it, once it was read to its end.
        problem: Why it could not be read to its end, or what in it contradicts the server; empty
            when neither is so.
        changed: It has other bytes than before ``wsusutil`` ran (import only).
    """

    size_bytes: int | None
    revisions: int = 0
    problem: str = ""
    changed: bool = False


@dataclass(frozen=True, slots=True)
class ApiSignal:
    """What the server's API answered before and after; None when it did not answer.

    Attributes:
        before, after: The server's facts.
        unresolved: Revisions with an incoming decision that the server cannot find (import).
        first_unresolved: One of them, for the sentence.
    """

    before: ServerFacts | None
    after: ServerFacts | None
    unresolved: int = 0
    first_unresolved: str = ""


@dataclass(frozen=True, slots=True)
class Signals:
    """All that was observed of one run. ``service`` is what Windows said afterwards, or None."""

    exit_code: int | None
    package: PackageSignal
    log: LogSummary
    service: str | None
    api: ApiSignal


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal, judged: ``good`` speaks for success. ``detail`` is a sentence's end."""

    name: SignalName
    good: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether it succeeded, by every signal.

    Attributes:
        signals: All five, in a fixed order, for the report.
        liars: The signals that a disagreement proves wrong.
    """

    verb: Verb
    signals: tuple[Signal, ...]
    contradicted: tuple[SignalName, ...]

    @property
    def succeeded(self) -> bool:
        """Only when all signals agree that it did."""
        return all(signal.good for signal in self.signals)

    @property
    def reason(self) -> str:
        """What went wrong and who said otherwise; empty after a success."""
        bad = "; ".join(f"{each.name}: {each.detail}" for each in self.signals if not each.good)
        if not self.contradicted:
            return bad
        if self.contradicted == tuple(each.name for each in self.signals if not each.good):
            return f"{bad}, although every other signal speaks for success"
        return f"{bad} (so the {' and the '.join(self.contradicted)} did not tell the truth)"


def new_file_names(verb: Verb, *, run: str) -> FileNames:
    """Names that no other start has: the id of the run, which begins with its time, and 64 bits."""
    return FileNames(f"{verb}-{run}-{secrets.token_hex(8)}")


def export_command(wsusutil: Sequence[str], package: str, log: str) -> list[str]:
    """The command; ``.xml.gz`` because a cabinet cannot hold more than 2 GB."""
    return [*wsusutil, "export", package, log]


def import_command(wsusutil: Sequence[str], package: str, log: str) -> list[str]:
    """The command; the log is optional to WSUS and never to us."""
    return [*wsusutil, "import", package, log]


def contradiction(index: PackageIndex, facts: ServerFacts, approved: Iterable[str]) -> str:
    """Say how a package contradicts the server that is said to have written it, or nothing.

    Another server's package, an older one, one with half the updates: each is whole in itself.
    Only what must be so whatever the API hides is asked for. It shows no more updates than there
    are; declined ones are left out, since nobody documents that they are exported.

    Args:
        index: The package's index.
        facts: What the API said before the export began.
        approved: Update ids that were approved then.
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
    lacking = sorted({each for each in approved if index.latest(each) is None})
    if lacking:
        return f"it lacks {len(lacking)} updates that are approved, first {lacking[0]}"
    shown, held = facts.update_count - facts.declined_count, index.count_updates()
    if held < shown:
        return f"it holds {held} updates, the API shows {shown}"
    return ""


def _numbers(version: str) -> str:
    """A version without the noughts at its end: nobody documents how many parts a package names."""
    return version.removesuffix(".0").removesuffix(".0")


def judge_export(signals: Signals) -> Judgement:
    """Judge an export after it ended."""
    judged = (
        _judge_exit_code(signals.exit_code),
        _judge_exported(signals.package, signals.log),
        _judge_log("export", signals.log),
        _judge_service(signals.service),
        _judge_api(signals.api),
    )
    return Judgement("export", judged, _find_contradicted(judged))


def judge_import(signals: Signals) -> Judgement:
    """Judge an import after it ended."""
    judged = (
        _judge_exit_code(signals.exit_code),
        _judge_imported(signals.package),
        _judge_inserted(signals.package, signals.log),
        _judge_service(signals.service),
        _judge_api(signals.api),
    )
    return Judgement("import", judged, _find_contradicted(judged))


def _find_contradicted(signals: Sequence[Signal]) -> tuple[SignalName, ...]:
    """Who was proved wrong, when they disagree.

    Exit code and log speak for the whole run, so whatever else went wrong makes a liar of each
    that said success. Package, service and API speak for themselves alone. An exit code that
    stands alone against all others is the liar.
    """
    bad = {signal.name for signal in signals if not signal.good}
    if not bad or len(bad) == len(signals):
        return ()
    if bad == {"exit code"}:
        return ("exit code",)
    facts = bad - {"service"}  # a service that stays down is a fault of its own
    speakers: tuple[SignalName, ...] = ("exit code", "log")
    return tuple(name for name in speakers if name not in bad and facts - {"exit code"})


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
        return _bad("package", "the package is not the one that was verified any more")
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
        named = "an error" if log.errors == 1 else f"{log.errors} errors, first"
        return _bad("log", f"the log names {named}: {first}")
    if log.state == "unreadable":
        return _bad("log", f"the log cannot be read to its end: {log.problem}")
    if log.root != _ROOTS[verb]:
        return _bad("log", f"the log is an {log.root}, not an {_ROOTS[verb]}")
    return _good("log", f"no errors, {log.updates} updates named")


def _judge_inserted(package: PackageSignal, log: LogSummary) -> Signal:
    """An import log that names updates names all of them, new and existing."""
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
