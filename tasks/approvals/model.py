"""Decisions about updates, as they travel and as they are kept.

Wire form (``approvals.jsonl``): one object a line, in canonical order, as section 7 of
``tasks/bundle/FORMAT.md`` has it. The script ``read-approvals`` writes the same lines but those of
kind ``license``, which ``capture`` makes, with more keys, which are passed over here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from blake3 import blake3
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_serializer

from tasks.names import UTC_SECOND
from tasks.revision import RevisionId

GroupPath = tuple[str, ...]
ALL_COMPUTERS: GroupPath = ("All Computers",)
UNASSIGNED_COMPUTERS: GroupPath = ("All Computers", "Unassigned Computers")
BUILT_IN_GROUPS = frozenset({ALL_COMPUTERS, UNASSIGNED_COMPUTERS})

Key = tuple[str, GroupPath]
"""What a decision is about: an update and a group (folded), whatever the revision."""


class Action(StrEnum):
    """What an approval asks of a group's machines, in the words of the WSUS API."""

    INSTALL = "Install"
    UNINSTALL = "Uninstall"
    NOT_APPROVED = "NotApproved"
    """An explicit block of one group, under an approval of its parent."""


def fold(path: GroupPath) -> GroupPath:
    """A group path as it is compared: WSUS takes no notice of case."""
    return tuple(part.casefold() for part in path)


def _to_utc_second(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        return moment.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise ValueError("a time before the first or after the last") from error


UpdateId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
UtcSecond = Annotated[datetime, AfterValidator(_to_utc_second)]


class Decision(BaseModel):
    """What every decision names: a revision."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    update_id: UpdateId
    revision: int = Field(ge=0, lt=2**31)

    @property
    def id(self) -> RevisionId:
        """The revision as a key."""
        return RevisionId(self.update_id, self.revision)


class Decline(Decision):
    """A declined update; the revision says only which one was the newest then."""


class LicenseAcceptance(Decision):
    """Licence terms that were accepted."""


class Approval(Decision):
    """One revision × one group × an action × a deadline × optional.

    Attributes:
        group: Names from ``All Computers`` down; never empty.
        deadline: Aware, UTC, whole seconds; None when there is none.
        optional: Offered to people rather than installed.
    """

    group: Annotated[GroupPath, Field(min_length=1)]
    action: Action
    deadline: UtcSecond | None = None
    optional: bool = False

    @field_serializer("deadline")
    def _write_deadline(self, deadline: datetime | None) -> str | None:
        return None if deadline is None else deadline.strftime(UTC_SECOND)

    @cached_property
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
        return self.model_dump(mode="json")


class ApprovalSet(BaseModel):
    """Every decision of one server, or of one bundle, in canonical order.

    Equal sets have equal lines and one digest, in whatever order they were found.
    """

    model_config = ConfigDict(frozen=True)

    groups: tuple[GroupPath, ...] = ()
    approvals: tuple[Approval, ...] = ()
    declines: tuple[Decline, ...] = ()
    licenses: tuple[LicenseAcceptance, ...] = ()

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
        distinct = {(a.id, a.group, a.action, a.deadline, a.optional): a for a in approvals}
        return cls(
            groups=tuple(sorted(set(groups))),
            approvals=tuple(sorted(distinct.values(), key=_approval_order)),
            declines=tuple({d.id: d for d in sorted(declines, key=_order)}.values()),
            licenses=tuple({each.id: each for each in sorted(licenses, key=_order)}.values()),
        )

    @classmethod
    def from_lines(cls, lines: Iterable[Mapping[str, Any]]) -> ApprovalSet:
        """Read the wire form. A kind that is not known here may be a decision, so it is refused.

        Raises:
            ValueError, KeyError: A line has no kind that is known, or is not what its kind says.
        """
        found: dict[str, list[Any]] = {"group": [], "approval": [], "decline": [], "license": []}
        for line in lines:
            match line.get("kind"):
                case "group":
                    found["group"].append(tuple(str(part) for part in line["path"]))
                case "approval":
                    found["approval"].append(Approval.model_validate(line))
                case "decline":
                    found["decline"].append(Decline.model_validate(line))
                case "license":
                    found["license"].append(LicenseAcceptance.model_validate(line))
                case other:
                    raise ValueError(f"a line of kind {other!r}")
        return cls.collect(
            groups=found["group"],
            approvals=found["approval"],
            declines=found["decline"],
            licenses=found["license"],
        )

    def lines(self) -> Iterator[dict[str, Any]]:
        """The wire form, in canonical order."""
        for path in self.groups:
            yield {"kind": "group", "path": list(path)}
        for approval in self.approvals:
            yield {"kind": "approval", **approval.as_json()}
        for decline in self.declines:
            yield {"kind": "decline", **decline.model_dump(mode="json")}
        for license_ in self.licenses:
            yield {"kind": "license", **license_.model_dump(mode="json")}

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

    def by_key(self) -> dict[Key, Approval]:
        """The approvals by what they are about; of several revisions the newest."""
        return {a.key: a for a in sorted(self.approvals, key=lambda a: a.revision)}

    def revisions(self) -> set[RevisionId]:
        """Every revision that an approval, a block or a decline names."""
        return {each.id for each in (*self.approvals, *self.declines)}

    def declined_ids(self) -> dict[str, Decline]:
        """The declines by update, since a decline holds for all revisions."""
        return {decline.update_id: decline for decline in self.declines}


def approved_revisions(approvals: Iterable[Approval]) -> list[RevisionId]:
    """The revisions that need content: every approval but a block, each revision once."""
    return sorted({each.id for each in approvals if each.action is not Action.NOT_APPROVED})


def encode_line(line: Mapping[str, Any]) -> bytes:
    """One line of JSON Lines: compact, UTF-8, keys as given."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode_lines(content: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Read JSON Lines; ``content`` yields whole lines, as an open file does."""
    for line in content:
        if line.strip():
            yield json.loads(line)


def _order(decision: Decision) -> RevisionId:
    return decision.id


def _approval_order(approval: Approval) -> tuple[Any, ...]:
    deadline = approval.deadline.strftime(UTC_SECOND) if approval.deadline else ""
    return (approval.id, approval.group, approval.action, deadline, approval.optional)
