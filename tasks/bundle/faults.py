"""What is wrong with a bundle: every fault is listed, not only the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from tasks.errors import AirGapError, BundleIncompleteError, ContentWrongError
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.refusals import TamperError, UndeclaredFileError

Verdict = Literal["missing", "size", "digest", "unreadable", "extra"]
MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is not as the seal says.

    ``path`` may hold a name that an enemy chose; it is printable here, and still foreign text.
    ``error`` is why something is unreadable.
    """

    path: str
    verdict: Verdict
    expected: str
    found: str
    error: AirGapError | None = field(default=None, compare=False)


@dataclass(slots=True)
class Faults:
    """Faults as they are found: all are counted, the first thousand are kept.

    Of every verdict at least the first is kept, however many of another came before. ``recovered``
    are those of one copy of a volume where another copy had the same file right: they amount to
    nothing, and a person should still know of them.
    """

    listed: list[Fault] = field(default_factory=list)
    counts: dict[Verdict, int] = field(default_factory=dict)
    recovered: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Take a fault."""
        self.counts[fault.verdict] = self.counts.get(fault.verdict, 0) + 1
        if len(self.listed) < MOST_LISTED or self.counts[fault.verdict] == 1:
            self.listed.append(fault)

    def settle(self, tried: Faults, *, recovered: bool) -> None:
        """Take the faults of the copies that were tried for one file.

        Args:
            tried: What was wrong with them.
            recovered: One of the copies was right after all.
        """
        if recovered:
            self.recovered += tried.listed[: MOST_LISTED - len(self.recovered)]
            return
        for fault in tried.listed:
            self.add(fault)

    def missing(self, path: HostPath) -> None:
        """Note a file that the seal names and that is not there."""
        self.add(Fault(printable(path.text), "missing", "a file", "nothing"))

    def undeclared(self, path: HostPath, stat: FileStat) -> None:
        """Note a name that the seal does not know, or that is no plain file."""
        found = {"file": "a file", "folder": "a folder", "other": "a link or device"}[stat.kind]
        self.add(Fault(printable(path.text), "extra", "no such name", found))

    def size(self, path: HostPath, expected_bytes: int, found_bytes: int) -> None:
        """Note a file of another length."""
        self.add(
            Fault(printable(path.text), "size", f"{expected_bytes} bytes", f"{found_bytes} bytes")
        )

    def unsealed(self, path: HostPath, error: AirGapError) -> None:
        """Note a header that has no valid seal."""
        self.add(Fault(printable(path.text), "digest", "a valid seal", error.message))

    def unread(self, path: object, error: AirGapError) -> None:
        """Note a file that was read and is wrong, or that could not be read."""
        if isinstance(error, ContentWrongError):
            expected, found = str(error.facts["expected"]), str(error.facts["found"])
            self.add(Fault(printable(str(path)), "digest", expected, found))
        else:
            self.add(Fault(printable(str(path)), "unreadable", "its bytes", error.message, error))

    @property
    def total(self) -> int:
        """How many faults there are."""
        return sum(self.counts.values())

    def __bool__(self) -> bool:
        return self.total > 0

    def first(self, *verdicts: Verdict) -> Fault | None:
        """The first fault of one of these verdicts."""
        return next((fault for fault in self.listed if fault.verdict in verdicts), None)


def raise_for_faults(bundle: str, faults: Faults) -> None:
    """Raise what a bundle's faults amount to; nothing when there are none.

    Wrong bytes come before undeclared names, and both before what is only missing: a bundle that
    was tampered with is not to be completed.

    Raises:
        TamperError: Bytes differ from what the seal promised.
        UndeclaredFileError: The bundle's folder holds names that the seal does not know.
        BundleIncompleteError: Something has not arrived.
        HostFileError: Something could not be read, or not be written where it was to go.
    """
    if wrong := faults.first("size", "digest"):
        raise TamperError(path=wrong.path, expected=wrong.expected, found=wrong.found)
    if extra := faults.first("extra"):
        raise UndeclaredFileError(bundle=bundle, count=faults.counts["extra"], first=extra.path)
    if missing := faults.first("missing"):
        raise BundleIncompleteError(
            bundle=bundle, count=faults.counts["missing"], first=missing.path
        )
    if (unread := faults.first("unreadable")) and unread.error is not None:
        raise unread.error


def printable(text: str) -> str:
    """Make foreign text safe to show: what is no plain printable character is spelled out."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in text.encode("utf-8", "backslashreplace").decode()
    )
