"""Tree of all errors that the product foresees.

    AirGapError
    ├── UsageError     64  the command or the site file is wrong, or a path does not exist
    ├── FailedError     1  something outside failed; the same command may be run again
    ├── TrustError      3  refused: a bundle, receipt or server cannot be trusted (refusals.py)
    └── SafetyError     4  refused: going on could harm a server or lose a bundle (refusals.py)

The caller passes facts by keyword and the class makes the sentence, so that expected and found
value cannot be swapped, and tests compare facts instead of prose. Facts may be foreign text, from a
server or a bundle; sentences show its invisible characters written out. A time is shown to the
second, and a fact that is named ``…_bytes`` as a size. Every class gives the
operator's next step. An error is never logged where it is raised.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from tasks.quantities import count, moment, size
from tasks.visible import visible


class AirGapError(Exception):
    """Base of all foreseen errors.

    Attributes:
        kind: Stable name of the class in JSON output, for example ``disk-full``.
        exit_code: Exit code of the command (64, 1, 3 or 4).
        retryable: True if the same call may succeed by itself a little later.
        template: The sentence, with the names of the facts in braces.
        remedy: The operator's next step; may use the facts in braces too. If only the caller knows
            it, the caller passes ``remedy`` among the facts.
        facts: The facts that the caller passed.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False
    template: ClassVar[str] = "{reason}"
    remedy: ClassVar[str] = "Read the report, then run the same command again."

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__(visible(self.template.format(**_in_words(facts))))

    @property
    def message(self) -> str:
        """Sentence with what happened, where, expected and found value."""
        return str(self)

    @property
    def next_step(self) -> str:
        """The operator's next step."""
        given = self.facts.get("remedy")
        return visible(str(given) if given else self.remedy.format(**_in_words(self.facts)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by facts, so that an error survives a way through another process."""
        return (_rebuild, (type(self), self.facts))


def _in_words(facts: dict[str, object]) -> dict[str, object]:
    shown = {
        name: moment(fact) if isinstance(fact, datetime) else fact for name, fact in facts.items()
    }
    sizes = {
        name: fact
        for name, fact in facts.items()
        if name.endswith("_bytes") and isinstance(fact, int)
    }
    texts = {name: size(size_bytes) for name, size_bytes in sizes.items()}
    if len(set(texts.values())) < len(set(sizes.values())):  # different, but alike when rounded
        texts = {name: count(size_bytes, "byte") for name, size_bytes in sizes.items()}
    return shown | texts


def _rebuild(error_class: type[AirGapError], facts: dict[str, object]) -> AirGapError:
    return error_class(**facts)


# --- 64: usage ---------------------------------------------------------------------------------


class UsageError(AirGapError):
    """The command cannot be carried out as given."""

    kind = "usage"
    exit_code = 64
    remedy = "Correct the command; `wsus-airgap --help` lists what there is."


class SiteFileError(UsageError):
    """The site file is unreadable or wrong; ``problems`` has a sentence for each fault."""

    kind = "site-file"
    template = "site file {path}: {problems}"
    remedy = "Correct the site file; `wsus-airgap site check --site {path}` lists what is wrong."

    def __init__(self, *, path: object, problems: tuple[str, ...]) -> None:
        super().__init__(path=path, problems="; ".join(problems))
        self.problems = self.facts["problems"] = problems


class PathMissingError(UsageError):
    """A path on the command line or in the site file does not exist."""

    kind = "path-missing"
    template = "{what} is not there: {path}"
    remedy = "Check the path (is the medium plugged in and mounted?), then run the command again."


class WrongSideError(UsageError):
    """A command of one side was given the site file of the other."""

    kind = "wrong-side"
    template = "{command} runs on the {expected} side; site file {path} is for the {found} side"
    remedy = "Name the site file of the {expected} side with --site."


# --- 1: failed, may be run again ----------------------------------------------------------------


class FailedError(AirGapError):
    """Something did not work; finished work stays, and the command may be run again."""

    kind = "failed"


class ConnectionLostError(FailedError):
    """A host could not be reached, or the connection to it broke."""

    kind = "connection-lost"
    retryable = True
    template = "connection to {address}: {reason}"
    remedy = "Check that the server is up and its SSH service answers, then run the command again."


class ConnectionStalledError(ConnectionLostError):
    """No answer came on several new connections in a row; another try would only wait again."""

    retryable = False
    template = "connection to {address}: no answer within {limit_seconds:g} seconds, {stalls} times"
    remedy = "Look at firewall, VPN, packet size and that server's disks, then run it again."


class TimeLimitError(FailedError):
    """A wait reached its limit; the awaited work goes on, and another try would wait as long."""

    kind = "time-limit"
    template = "{what} did not end within {limit_seconds:g} seconds"
    remedy = "Look at what the server is doing; nothing was killed. Then run the command again."


class HostFileError(FailedError):
    """A file operation on a host or on media failed."""

    kind = "host-file"
    template = "{operation} {path}: {reason}"
    remedy = "Check the file, the disk and the account's rights there, then run the command again."


class DiskFullError(FailedError):
    """A write found no room, although there seemed to be enough before."""

    kind = "disk-full"
    template = "no room left while writing {path}"
    remedy = "Make room on that disk, then run the same command again; it goes on where it stopped."


class CommandFailedError(FailedError):
    """A program on a host could not be started, or ended without a usable result."""

    kind = "command-failed"
    template = "{program}: {reason}"
    remedy = "Check the program's path in the site file and run it by hand on the server."


class ScriptFailedError(FailedError):
    """One of our PowerShell scripts ended without its answer."""

    kind = "script-failed"
    template = "script {script} failed on the server: {reason}"
    remedy = "Run it by hand there (its input lies in the work folder, below runs), then run again."


class NotExaminedError(FailedError):
    """The check could not examine the server at all."""

    kind = "not-examined"
    template = "the server could not be examined: {reason}"


class WsusutilError(FailedError):
    """wsusutil did not succeed: its signals disagree or show an error."""

    kind = "wsusutil"
    template = "wsusutil {verb} did not succeed: {reason}"
    remedy = "Read its log ({log}) on the server, mend what it names, then run the command again."


class ServiceDownError(FailedError):
    """A service that WSUS needs does not run, and starting it did not help."""

    kind = "service-down"
    template = "service {service} is {state} on the {side} server and could not be started"
    remedy = "Start {service} on that server, see why it stopped, then run the command again."


class PackageError(FailedError):
    """A metadata package differs from what a successful wsusutil writes."""

    kind = "package"
    template = "metadata package {path}: {reason}"
    remedy = "Run the export again; if it repeats, run `wsusutil export` by hand and read its log."


class BundleIncompleteError(FailedError):
    """Files that the seal names have not arrived; files already read are kept."""

    kind = "bundle-incomplete"
    template = "bundle {bundle} is incomplete; files that are not there: {count}, first {first}"
    remedy = "Bring the rest of the bundle, then run the same command again."


class ContentWrongError(FailedError):
    """The bytes of a file differ from its name's digest, or from the cached digest."""

    kind = "content-wrong"
    template = "{path}: expected {expected}, found {found}"
    remedy = "Have WSUS download that file again (`wsusutil reset`), then run the command again."


class BatchFailedError(FailedError):
    """A batch ended with failures; its successes stay in effect."""

    kind = "batch-failed"
    template = "{what}: {failed} of {total} failed, first {first}"
    remedy = "Mend the cause, then run the same command again; what is done is not repeated."


class PrefectServerError(FailedError):
    """Prefect's server did not start or does not answer."""

    kind = "prefect-server"
    template = "Prefect's server at {address}: {reason}"


class StoppedError(FailedError):
    """A person or a signal stopped the command; its finished work stays."""

    kind = "interrupted"
    template = "{command} was interrupted{beside}"
    remedy = "Run the same command again; it goes on where it stopped."

    def __init__(self, *, command: str, beside: str = "", remedy: str = "") -> None:
        super().__init__(command=command, beside=beside, remedy=remedy)


class InternalFaultError(FailedError):
    """An unforeseen error; details are in the log file."""

    kind = "unexpected"
    template = "unexpected {type}: {reason}"
    remedy = "Keep {log}, run the command again, and report the log if it repeats."
