"""Decisions about updates, in memory and as JSON lines.

Wire form (``approvals.jsonl``): one object a line, in canonical order; section 7 of
``tasks/bundle/FORMAT.md`` defines it. The script ``read-approvals`` writes the same lines with
additional keys, which are ignored here, and without lines of kind ``license``: ``capture`` makes
those.

To save memory, records have slots, equal group paths are one object, and large sets of records are
``Columns``.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache, partial
from heapq import merge
from itertools import groupby
from typing import Annotated, Any, BinaryIO, Self

from blake3 import blake3
from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from tasks.approvals.columns import ByKey, ByUpdate, Columns, Gathering
from tasks.approvals.local_packages import LocalPackage, read_local_package
from tasks.names import UTC_SECOND
from tasks.revision import RevisionId

GroupPath = tuple[str, ...]
Key = tuple[str, GroupPath]
"""The update and the folded group of a decision, for all revisions of the update."""
# WSUS translates the names of these groups. The scripts find them by their fixed ids and use the
# English names.
ALL_COMPUTERS: GroupPath = ("All Computers",)
UNASSIGNED_COMPUTERS: GroupPath = ("All Computers", "Unassigned Computers")
DOWNSTREAM_SERVERS: GroupPath = ("All Computers", "Downstream Servers")
BUILT_IN_GROUPS = frozenset({ALL_COMPUTERS, UNASSIGNED_COMPUTERS, DOWNSTREAM_SERVERS})
DEEPEST_GROUP = 100
"""Largest number of names in a group path."""
# SQL Server's ``datetime`` begins in 1753. In the API, DateTime.MaxValue (year 9999) means "no
# deadline" (IUpdateApproval.Deadline).
DEADLINE_YEARS = range(1753, 9999)

# Limits for a bundle. Section 13 of FORMAT.md gives the same numbers; a test compares them.
MOST_GROUPS = 5_000
MOST_APPROVALS = 200_000
MOST_DECLINES = 150_000
MOST_LICENSES = 50_000
MOST_PACKAGES = 10_000
GROUP_TEXT_LIMIT_BYTES = 4_194_304
LINE_LIMIT_BYTES = 8_192
_MOST = {
    "group": MOST_GROUPS,
    "approval": MOST_APPROVALS,
    "decline": MOST_DECLINES,
    "license": MOST_LICENSES,
    "package": MOST_PACKAGES,
}


class Action(StrEnum):
    """An approval's action on the machines of a group: names of ``UpdateApprovalAction``."""

    INSTALL = "Install"
    UNINSTALL = "Uninstall"
    NOT_APPROVED = "NotApproved"
    """A block: the group does not inherit the approval of its parent group."""


@lru_cache(maxsize=2 * MOST_GROUPS)
def fold(path: GroupPath) -> GroupPath:
    """Return the form of a group path for comparisons.

    WSUS ignores case in names of groups (inferred from "unique on this server" in Microsoft's
    description of ``CreateComputerTargetGroup``).
    """
    return tuple(part.casefold() for part in path)


@lru_cache(maxsize=2 * MOST_GROUPS)
def _shared(path: GroupPath) -> GroupPath:
    """Return the same tuple object for all equal paths, by means of the cache."""
    return path


def _to_utc_second(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    if moment.year not in DEADLINE_YEARS:
        raise ValueError("a year that WSUS cannot store as a deadline")
    return moment.astimezone(UTC).replace(microsecond=0)


def _require_path(path: GroupPath) -> GroupPath:
    if path[0] != ALL_COMPUTERS[0]:
        raise ValueError(f"a path of groups that does not begin with {ALL_COMPUTERS[0]}")
    "".join(path).encode()  # raises ValueError for half of a surrogate pair
    return path


UpdateId = Annotated[
    str,
    Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"),
    AfterValidator(sys.intern),
]
UtcSecond = Annotated[datetime, AfterValidator(_to_utc_second)]
Group = Annotated[
    GroupPath,
    Field(min_length=1, max_length=DEEPEST_GROUP),
    AfterValidator(_require_path),
    AfterValidator(_shared),
]
"""A group path that a WSUS may have. The server itself checks the name of a new group."""
_PATH = TypeAdapter(Group)
_LINE = ConfigDict(extra="ignore")


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Decision:
    """The part that all decisions share: the revision."""

    update_id: UpdateId
    revision: Annotated[int, Field(ge=0, lt=2**31)]

    @property
    def id(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Self:
        """Read and check a line; unknown keys are ignored.

        Raises:
            pydantic.ValidationError: A key is missing, or its value is wrong.
        """
        record: Self = _reader(cls).validate_python(line)  # type: ignore[arg-type]
        return record

    def as_json(self) -> dict[str, Any]:
        """Return the keys of its line except ``kind``, in the order of the wire form."""
        return {"update_id": self.update_id, "revision": self.revision}


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Decline(Decision):
    """A declined update; its revision is the newest one at the time of the decline.

    A decline holds for all revisions of an update (Microsoft's description of
    ``IUpdate.Decline``).
    """


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class LicenseAcceptance(Decision):
    """Accepted licence terms of an update."""


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Approval(Decision):
    """An action for one revision and one group, with a deadline or as optional.

    Attributes:
        group: Names from ``All Computers`` down.
        deadline: Aware, UTC, whole seconds, of the years 1753 to 9998; None if there is none.
        optional: True if the update is offered to people instead of installed.
    """

    group: Group
    action: Action
    deadline: UtcSecond | None = None
    optional: bool = False

    @property
    def key(self) -> Key:
        """The update and the folded group."""
        return (self.update_id, fold(self.group))

    @property
    def terms(self) -> tuple[Action, datetime | None, bool]:
        """The action, the deadline and the option, as WSUS stores them.

        Neither a block nor an optional approval has a deadline: ``ApproveForOptionalInstall``
        takes none.
        """
        if self.action is Action.NOT_APPROVED:
            return (self.action, None, False)
        return (self.action, None if self.optional else self.deadline, self.optional)

    def agrees_with(self, other: Approval) -> bool:
        """Return True if both have the same revision, group and terms."""
        return self.id == other.id and self.key == other.key and self.terms == other.terms

    def as_json(self) -> dict[str, Any]:
        """Return the six keys of an approval in the JSON output."""
        return {
            "update_id": self.update_id,
            "revision": self.revision,
            "group": list(self.group),
            "action": self.action.value,
            "deadline": write_time(self.deadline),
            "optional": self.optional,
        }


@lru_cache(maxsize=8)
def _reader(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@dataclass(frozen=True, slots=True)
class ApprovalSet:
    """All decisions of one server or one bundle, in canonical order.

    ``packages``, the files of UpdateServicesPackages, are no decisions; they travel with them.

    Equal sets have equal lines and the same digest, in whatever order their decisions were added.
    """

    groups: tuple[GroupPath, ...] = ()
    approvals: Columns[Approval] = field(default_factory=partial(Columns.of, Approval))
    declines: Columns[Decline] = field(default_factory=partial(Columns.of, Decline))
    licenses: Columns[LicenseAcceptance] = field(
        default_factory=partial(Columns.of, LicenseAcceptance)
    )
    packages: tuple[LocalPackage, ...] = ()

    @classmethod
    def collect(
        cls,
        *,
        groups: Iterable[GroupPath] = (),
        approvals: Iterable[Approval] = (),
        declines: Iterable[Decline] = (),
        licenses: Iterable[LicenseAcceptance] = (),
    ) -> ApprovalSet:
        """Make a set in canonical order, without duplicates."""
        return cls(
            groups=tuple(sorted(set(map(_shared, groups)))),
            approvals=Columns.of(Approval, approvals),
            declines=Columns.of(Decline, declines),
            licenses=Columns.of(LicenseAcceptance, licenses),
        )

    @classmethod
    def from_lines(cls, lines: Iterable[Mapping[str, Any]]) -> ApprovalSet:
        """Read the wire form. An unknown kind is refused, because it may be a decision.

        Raises:
            ValueError: A line has an unknown kind, lacks a key of its kind, or has a wrong value.
        """
        groups: set[GroupPath] = set()
        approvals = Gathering(Approval)
        declines = Gathering(Decline)
        licenses = Gathering(LicenseAcceptance)
        packages: set[LocalPackage] = set()
        for line in lines:
            match line.get("kind"):
                case "group":
                    groups.add(_PATH.validate_python(line.get("path")))
                case "approval":
                    approvals.add(Approval.read(line))
                case "decline":
                    declines.add(Decline.read(line))
                case "license":
                    licenses.add(LicenseAcceptance.read(line))
                case "package":
                    packages.add(read_local_package(line))
                case other:
                    raise ValueError(f"a line of kind {other!r}")
        ordered = tuple(sorted(groups))
        return cls(
            ordered,
            approvals.sorted(),
            declines.sorted(),
            licenses.sorted(),
            tuple(sorted(packages)),
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the wire form in canonical order."""
        for path in self.groups:
            yield {"kind": "group", "path": list(path)}
        for approval in self.approvals:
            yield {"kind": "approval", **approval.as_json()}
        for decline in self.declines:
            yield {"kind": "decline", **decline.as_json()}
        for license_ in self.licenses:
            yield {"kind": "license", **license_.as_json()}
        for package in self.packages:
            yield {"kind": "package", **package.as_json()}

    def encoded(self) -> Iterator[bytes]:
        """Yield the wire form as bytes: for each line a compact JSON object and a line feed."""
        for line in self.lines():
            yield encode_line(line)

    def digest(self) -> str:
        """Return the BLAKE3 of the wire form (64 hexadecimal digits), for fingerprints."""
        hasher = blake3()
        for line in self.encoded():
            hasher.update(line)
        return hasher.hexdigest()

    def by_key(self) -> Mapping[Key, Approval]:
        """Map the approvals by key, ascending; of several revisions the newest counts."""
        return ByKey(self.approvals)

    def revisions(self) -> Iterator[RevisionId]:
        """Yield the revisions of all approvals and declines, ascending, without duplicates."""
        approved = (approval.id for approval in self.approvals)
        declined = (decline.id for decline in self.declines)
        return (revision for revision, _ in groupby(merge(approved, declined)))

    def declined_ids(self) -> Mapping[str, Decline]:
        """Map the declines by update id, ascending; a decline holds for all revisions."""
        return ByUpdate(self.declines)


def approved_revisions(*decisions: ApprovalSet) -> Iterator[RevisionId]:
    """Yield the revisions whose approval needs content (all but blocks), ascending, each once."""
    revisions = (
        (
            approval.id
            for approval in decision_set.approvals
            if approval.action is not Action.NOT_APPROVED
        )
        for decision_set in decisions
    )
    return (revision for revision, _ in groupby(merge(*revisions)))


def encode_line(line: Mapping[str, Any]) -> bytes:
    """Encode one line of JSON Lines: compact, UTF-8, keys in the given order."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode_lines(content: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read JSON Lines; ``content`` yields whole lines, like an open file."""
    for line in content:
        if line.strip():
            yield json.loads(line)


def read_bounded(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Read the wire form from an untrusted bundle, within the limits of the format.

    Raises:
        ValueError: A line is not JSON or too long, or there are too many lines of a kind or too
            many groups.
    """
    counts: Counter[str] = Counter()
    paths: set[GroupPath] = set()
    text_bytes = 0
    for line in decode_lines(_short_lines(stream)):
        kind = line["kind"]
        counts[kind] += 1
        if kind in _MOST and counts[kind] > _MOST[kind]:
            raise ValueError(f"more than {_MOST[kind]} lines of kind {kind}")
        path = tuple(line.get("path" if kind == "group" else "group", ()))
        if path and path not in paths:
            paths.add(path)
            text_bytes += len("".join(path).encode())
            if len(paths) > MOST_GROUPS or text_bytes > GROUP_TEXT_LIMIT_BYTES:
                raise ValueError(
                    f"more than {MOST_GROUPS} target groups, or {GROUP_TEXT_LIMIT_BYTES} bytes of "
                    "their paths"
                )
        yield line


def _short_lines(stream: BinaryIO) -> Iterator[bytes]:
    while line := stream.readline(LINE_LIMIT_BYTES + 1):
        if len(line) > LINE_LIMIT_BYTES:
            raise ValueError(f"a line has more than {LINE_LIMIT_BYTES} bytes")
        yield line


def write_time(moment: datetime | None) -> str | None:
    """Format a time for the wire form."""
    return None if moment is None else moment.strftime(UTC_SECOND)
