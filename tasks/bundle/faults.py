"""Faults of a bundle: all of them are collected, not only the first."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from tasks.errors import AirGapError, BundleIncompleteError, ContentWrongError
from tasks.hosts.host import FileStat
from tasks.hosts.paths import HostPath
from tasks.refusals import TamperError, UndeclaredFileError

Verdict = Literal["missing", "size", "digest", "unreadable", "extra"]
MOST_LISTED = 1_000
_MOST_NAMED = 20
_LITTER = frozenset(
    {
        *("desktop.ini", "thumbs.db", "ehthumbs.db", "system volume information", "$recycle.bin"),
        *(".ds_store", ".spotlight-v100", ".fseventsd", ".trashes", ".temporaryitems"),
        *(".apdisk", ".directory", "lost+found", "indexervolumeguid", "wpsettings.dat"),
    }
)
_LITTER_PREFIXES = ("._", ".trash-")


@dataclass(frozen=True, slots=True)
class Fault:
    """One file or name that differs from the sealed documents.

    ``path`` may contain a name that an enemy chose: it is printable, but still untrusted text.
    ``error`` is the cause if the verdict is ``unreadable``.
    """

    path: str
    verdict: Verdict
    expected: str
    actual: str
    error: AirGapError | None = field(default=None, compare=False)


@dataclass(slots=True)
class Faults:
    """Collection of faults: all are counted, the first thousand are listed.

    The first fault of each verdict is listed even after a thousand others. ``recovered`` are
    faults of files that another copy of the volume supplied intact: they do not fail the bundle,
    but they are reported.
    """

    listed: list[Fault] = field(default_factory=list)
    counts: dict[Verdict, int] = field(default_factory=dict)
    recovered: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Count a fault, and list it if there is room."""
        self.counts[fault.verdict] = self.counts.get(fault.verdict, 0) + 1
        if len(self.listed) < MOST_LISTED or self.counts[fault.verdict] == 1:
            self.listed.append(fault)

    def merge(self, tried: Faults, *, recovered: bool) -> None:
        """Add the faults of all copies of one file that were tried.

        Args:
            tried: Faults of these copies.
            recovered: True if one of the copies was intact.
        """
        if recovered:
            self.recovered += tried.listed[: MOST_LISTED - len(self.recovered)]
            return
        for fault in tried.listed:
            self.add(fault)

    def missing(self, path: HostPath) -> None:
        """Add the fault of a sealed file that does not exist."""
        self.add(Fault(printable(path.text), "missing", "a file", "nothing"))

    def undeclared(self, path: HostPath, stat: FileStat) -> None:
        """Add the fault of a name that is not sealed, or that is not a plain file."""
        actual = {"file": "a file", "folder": "a folder", "other": "a link or device"}[stat.kind]
        self.add(Fault(printable(path.text), "extra", "no such name", actual))

    def size(self, path: HostPath, expected_bytes: int, actual_bytes: int) -> None:
        """Add the fault of a file whose length differs."""
        self.add(
            Fault(printable(path.text), "size", f"{expected_bytes} bytes", f"{actual_bytes} bytes")
        )

    def unsealed(self, path: HostPath, error: AirGapError) -> None:
        """Add the fault of a header without a valid seal."""
        self.add(Fault(printable(path.text), "digest", "a valid seal", error.message))

    def unread(self, path: object, error: AirGapError) -> None:
        """Add the fault of a file whose bytes are wrong or could not be read."""
        if isinstance(error, ContentWrongError):
            expected, actual = str(error.facts["expected"]), str(error.facts["found"])
            self.add(Fault(printable(str(path)), "digest", expected, actual))
        else:
            self.add(Fault(printable(str(path)), "unreadable", "its bytes", error.message, error))

    @property
    def total(self) -> int:
        """Number of faults."""
        return sum(self.counts.values())

    def __bool__(self) -> bool:
        return self.total > 0

    def first(self, *verdicts: Verdict) -> Fault | None:
        """Return the first fault with one of these verdicts."""
        return next((fault for fault in self.listed if fault.verdict in verdicts), None)


def raise_for_faults(bundle: str, faults: Faults) -> None:
    """Raise the error for the gravest fault of a bundle; do nothing without faults.

    Wrong bytes are graver than undeclared names, and both are graver than missing files: nobody
    should complete a bundle that was tampered with.

    Raises:
        TamperError: Bytes of a file differ from the sealed documents.
        UndeclaredFileError: The bundle's folder contains names that are not sealed.
        BundleIncompleteError: A file has not arrived.
        HostFileError: A file could not be read, or its copy could not be written.
    """
    if wrong := faults.first("size", "digest"):
        raise TamperError(path=wrong.path, expected=wrong.expected, found=wrong.actual)
    if faults.first("extra"):
        raise _undeclared_error(bundle, faults)
    if missing := faults.first("missing"):
        raise BundleIncompleteError(
            bundle=bundle, count=faults.counts["missing"], first=missing.path
        )
    if (unread := faults.first("unreadable")) and unread.error is not None:
        raise unread.error


def _undeclared_error(bundle: str, faults: Faults) -> UndeclaredFileError:
    """Name all undeclared names, and say so if a desktop or kiosk wrote all of them."""
    paths = [fault.path for fault in faults.listed if fault.verdict == "extra"]
    count = faults.counts["extra"]
    names = ", ".join(paths[:_MOST_NAMED])
    if count > _MOST_NAMED:
        names += f" and {count - _MOST_NAMED} more, which the report lists"
    if count == len(paths) and all(is_desktop_litter(path) for path in paths):
        remedy = (
            "Desktops and scanners write such files by themselves. Delete these names on a machine "
            "that may write to the medium, then verify the bundle again."
        )
        return UndeclaredFileError(bundle=bundle, count=count, names=names, remedy=remedy)
    return UndeclaredFileError(bundle=bundle, count=count, names=names)


def is_desktop_litter(path: str) -> bool:
    """Return True for a name that desktops of Windows, macOS and Linux leave in folders."""
    name = re.split(r"[/\\]", path)[-1].casefold()
    return name in _LITTER or name.startswith(_LITTER_PREFIXES)


def printable(text: str) -> str:
    """Make untrusted text safe to show: escape every character that is not printable."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "replace").decode()
        for letter in text.encode("utf-8", "backslashreplace").decode()
    )
