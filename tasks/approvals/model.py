"""Decisions about updates, as they travel and as they are kept.

Wire form (``approvals.jsonl``): one object a line, in canonical order, as section 7 of
``tasks/bundle/FORMAT.md`` has it. The script ``read-approvals`` writes the same lines but those of
kind ``license``, which ``capture`` makes, with more keys, which are passed over here.

Records are slotted, and what many of them share is one object; many of them are kept in columns.
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
from tasks.names import UTC_SECOND
from tasks.revision import RevisionId

GroupPath = tuple[str, ...]
Key = tuple[str, GroupPath]
"""What a decision is about: an update and a group (folded), whatever the revision."""
ALL_COMPUTERS: GroupPath = ("All Computers",)
UNASSIGNED_COMPUTERS: GroupPath = ("All Computers", "Unassigned Computers")
BUILT_IN_GROUPS = frozenset({ALL_COMPUTERS, UNASSIGNED_COMPUTERS})
DEEPEST_GROUP = 100
"""Names in one path of groups."""
# SQL Server's ``datetime`` begins in 1753; the API's year 9999 stands for no deadline.
_DEADLINE_YEARS = range(1753, 9999)

# What a bundle may say at most. Section 13 of FORMAT.md gives the same numbers; a test compares.
MOST_GROUPS = 5_000
MOST_APPROVALS = 200_000
MOST_DECLINES = 150_000
MOST_LICENSES = 50_000
GROUP_TEXT_LIMIT_BYTES = 4_194_304
LINE_LIMIT_BYTES = 8_192
_MOST = {
    "group": MOST_GROUPS,
    "approval": MOST_APPROVALS,
    "decline": MOST_DECLINES,
    "license": MOST_LICENSES,
}


class Action(StrEnum):
    """What an approval asks of a group's machines, in the words of the WSUS API."""

    INSTALL = "Install"
    UNINSTALL = "Uninstall"
    NOT_APPROVED = "NotApproved"
    """An explicit block of one group, under an approval of its parent."""


@lru_cache(maxsize=2 * MOST_GROUPS)
def fold(path: GroupPath) -> GroupPath:
    """A group path as it is compared: WSUS takes no notice of case."""
    return tuple(part.casefold() for part in path)


@lru_cache(maxsize=2 * MOST_GROUPS)
def _shared(path: GroupPath) -> GroupPath:
    """One tuple for all equal paths."""
    return path


def _to_utc_second(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    if moment.year not in _DEADLINE_YEARS:
        raise ValueError("a year in which no WSUS holds a deadline")
    return moment.astimezone(UTC).replace(microsecond=0)


def _require_path(path: GroupPath) -> GroupPath:
    if path[0] != ALL_COMPUTERS[0]:
        raise ValueError(f"a path of groups that does not begin with {ALL_COMPUTERS[0]}")
    "".join(path).encode()  # half of a surrogate pair is a ValueError
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
"""A path of groups as a WSUS may hold it. Which names it takes for a new group, the server says."""
_PATH = TypeAdapter(Group)
_LINE = ConfigDict(extra="ignore")


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Decision:
    """What every decision names: a revision."""

    update_id: UpdateId
    revision: Annotated[int, Field(ge=0, lt=2**31)]

    @property
    def id(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)

    @classmethod
    def read(cls, line: Mapping[str, Any]) -> Self:
        """Check what a line says; keys that are not known are passed over.

        Raises:
            pydantic.ValidationError: It is not what its kind says.
        """
        record: Self = _reader(cls).validate_python(line)  # type: ignore[arg-type]
        return record

    def as_json(self) -> dict[str, Any]:
        """The keys of its line but the kind, in the order of the wire form."""
        return {"update_id": self.update_id, "revision": self.revision}


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Decline(Decision):
    """A declined update; the revision says only which one was the newest then."""


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class LicenseAcceptance(Decision):
    """Licence terms that were accepted."""


@checked_dataclass(frozen=True, slots=True, config=_LINE)
class Approval(Decision):
    """One revision × one group × an action × a deadline × optional.

    Attributes:
        group: Names from ``All Computers`` down.
        deadline: Aware, UTC, whole seconds, of the years 1753 to 9998; None when there is none.
        optional: Offered to people rather than installed.
    """

    group: Group
    action: Action
    deadline: UtcSecond | None = None
    optional: bool = False

    @property
    def key(self) -> Key:
        """The update and the group that this is about."""
        return (self.update_id, fold(self.group))

    @property
    def terms(self) -> tuple[Action, datetime | None, bool]:
        """What it asks, apart from the revision.

        A block has no deadline, an optional approval neither: WSUS keeps none for them.
        """
        if self.action is Action.NOT_APPROVED:
            return (self.action, None, False)
        return (self.action, None if self.optional else self.deadline, self.optional)

    def agrees_with(self, other: Approval) -> bool:
        """Whether both ask the same of the same revision and group."""
        return self.id == other.id and self.key == other.key and self.terms == other.terms

    def as_json(self) -> dict[str, Any]:
        """The six keys of the JSON output and of the lab's state."""
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
    """Every decision of one server, or of one bundle, in canonical order.

    Equal sets have equal lines and one digest, in whatever order they were found.
    """

    groups: tuple[GroupPath, ...] = ()
    approvals: Columns[Approval] = field(default_factory=partial(Columns.of, Approval))
    declines: Columns[Decline] = field(default_factory=partial(Columns.of, Decline))
    licenses: Columns[LicenseAcceptance] = field(
        default_factory=partial(Columns.of, LicenseAcceptance)
    )

    @classmethod
    def collect(
        cls,
        *,
        groups: Iterable[GroupPath] = (),
        approvals: Iterable[Approval] = (),
        declines: Iterable[Decline] = (),
        licenses: Iterable[LicenseAcceptance] = (),
    ) -> ApprovalSet:
        """Make a set in canonical order, each decision once."""
        return cls(
            groups=tuple(sorted(set(map(_shared, groups)))),
            approvals=Columns.of(Approval, approvals),
            declines=Columns.of(Decline, declines),
            licenses=Columns.of(LicenseAcceptance, licenses),
        )

    @classmethod
    def from_lines(cls, lines: Iterable[Mapping[str, Any]]) -> ApprovalSet:
        """Read the wire form. A kind that is not known here may be a decision, so it is refused.

        Raises:
            ValueError: A line has no kind that is known, or is not what its kind says.
        """
        groups: set[GroupPath] = set()
        approvals = Gathering(Approval)
        declines = Gathering(Decline)
        licenses = Gathering(LicenseAcceptance)
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
                case other:
                    raise ValueError(f"a line of kind {other!r}")
        ordered = tuple(sorted(groups))
        return cls(ordered, approvals.sorted(), declines.sorted(), licenses.sorted())

    def lines(self) -> Iterator[dict[str, Any]]:
        """The wire form, in canonical order."""
        for path in self.groups:
            yield {"kind": "group", "path": list(path)}
        for approval in self.approvals:
            yield {"kind": "approval", **approval.as_json()}
        for decline in self.declines:
            yield {"kind": "decline", **decline.as_json()}
        for license_ in self.licenses:
            yield {"kind": "license", **license_.as_json()}

    def encoded(self) -> Iterator[bytes]:
        """The wire form as bytes: one compact JSON object and a line feed each."""
        for line in self.lines():
            yield encode_line(line)

    def digest(self) -> str:
        """BLAKE3 of the wire form, 64 hexadecimal digits: what a fingerprint takes up."""
        hasher = blake3()
        for line in self.encoded():
            hasher.update(line)
        return hasher.hexdigest()

    def by_key(self) -> Mapping[Key, Approval]:
        """The approvals by what they are about, ascending; of several revisions the newest."""
        return ByKey(self.approvals)

    def revisions(self) -> Iterator[RevisionId]:
        """Yield every revision that an approval, a block or a decline names, ascending, once."""
        named = merge((each.id for each in self.approvals), (each.id for each in self.declines))
        return (revision for revision, _ in groupby(named))

    def declined_ids(self) -> Mapping[str, Decline]:
        """The declines by update, ascending, since a decline holds for all revisions."""
        return ByUpdate(self.declines)


def approved_revisions(*decisions: ApprovalSet) -> Iterator[RevisionId]:
    """Yield the revisions that need content, ascending: every approval but a block, each once."""
    needed = (
        (each.id for each in found.approvals if each.action is not Action.NOT_APPROVED)
        for found in decisions
    )
    return (revision for revision, _ in groupby(merge(*needed)))


def encode_line(line: Mapping[str, Any]) -> bytes:
    """One line of JSON Lines: compact, UTF-8, keys as given."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode_lines(content: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read JSON Lines; ``content`` yields whole lines, as an open file does."""
    for line in content:
        if line.strip():
            yield json.loads(line)


def read_bounded(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """Read the wire form of a bundle, within the limits of the format.

    Raises:
        ValueError: A line is no JSON, or too long; there are too many of a kind, or of groups.
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
    """A moment as the wire form has it."""
    return None if moment is None else moment.strftime(UTC_SECOND)
