"""The plan of a command, line by line: what it would bring, change, delete and leave missing.

A rehearsal writes it for people (sections of the report), for spreadsheets (``plan.csv``) and for
programs (``plan.json``). All three, and the digest by which a person confirms the plan, are made
from the same lines, so that their numbers cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from blake3 import blake3
from pydantic import JsonValue

from tasks.metadata.audit import MissingFile
from tasks.quantities import count, size
from tasks.reports.model import Cell, Column, Fact, Section
from tasks.reports.sections import MOST_ROWS

PlanKind = Literal[
    "about",
    "carry",
    "place",
    "group",
    "accept-licence",
    "undecline",
    "approve",
    "change",
    "block",
    "remove",
    "decline",
    "park",
    "hold",
    "keep",
    "resume",
    "delete",
    "missing",
]
KIND_LABELS: Mapping[PlanKind, str] = {
    "carry": "Content files to carry",
    "place": "Content files to place",
    "group": "Target groups to make",
    "accept-licence": "Licence terms to accept",
    "undecline": "Declines taken back",
    "approve": "Approvals",
    "change": "Approvals to change",
    "block": "Blocks",
    "remove": "Approvals to remove",
    "decline": "Declines",
    "park": "Approvals that stay parked",
    "hold": "Decisions that stay held",
    "keep": "Local decisions that stay",
    "resume": "Downloads to resume",
    "delete": "Content files to delete",
    "missing": "Files that stay missing",
}
_CONTENT: frozenset[PlanKind] = frozenset({"carry", "place", "delete"})
_TableKey = Literal["decisions", "content", "missing"]
_FOR_PEOPLE = ("title", "kb")


@dataclass(frozen=True, slots=True)
class PlanLine:
    """One line of a plan. Titles are foreign text.

    Attributes:
        kind: What is planned; ``about`` says what the plan is made for, and counts nothing.
        group: Names of the target group's path, joined by `` / ``.
        size_bytes: Size of the file; None if it is unknown, or the line is about none.
        reason: For what waits or stays missing, the reason.
    """

    kind: PlanKind
    update_id: str = ""
    revision: int | None = None
    title: str = ""
    kb: str = ""
    group: str = ""
    action: str = ""
    deadline: str = ""
    optional: bool = False
    file: str = ""
    size_bytes: int | None = None
    reason: str = ""

    def identity(self) -> bytes:
        """Return the line without the texts for people, in canonical form, with a line break."""
        values = {
            k: v for k, v in asdict(self).items() if k not in _FOR_PEOPLE and v not in ("", None)
        }
        text = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode() + b"\n"

    def document(self) -> dict[str, Any]:
        """Return the line as ``plan.json`` has it."""
        return asdict(self)


HEADINGS = tuple(column.name for column in fields(PlanLine))


@dataclass(slots=True)
class KindTotal:
    """Number of lines of one kind, and their bytes; a file that two updates need counts once."""

    number: int = 0
    size_bytes: int = 0


@dataclass(slots=True)
class ShownLines:
    """The first lines of one table of the report, and the number of all."""

    lines: list[PlanLine] = field(default_factory=list)
    number: int = 0

    def add(self, line: PlanLine) -> None:
        """Count a line, and keep it while the table has room."""
        self.number += 1
        if len(self.lines) < MOST_ROWS:
            self.lines.append(line)


class PlanTally:
    """Totals and digest of a plan, taken while its lines pass; few of the lines are kept."""

    def __init__(self, command: str) -> None:
        self.totals: dict[PlanKind, KindTotal] = {}
        self.tables: dict[_TableKey, ShownLines] = {
            key: ShownLines() for key in get_args(_TableKey)
        }
        self.lines = 0
        self._missing: set[str] = set()
        self._hasher = blake3(f"{command}\n".encode())

    def add(self, line: PlanLine) -> None:
        """Count a line."""
        self._hasher.update(line.identity())
        self.lines += 1
        if line.kind == "about":
            return
        self.tables[_table_of(line.kind)].add(line)
        if self._is_counted(line):
            return
        total = self.totals.setdefault(line.kind, KindTotal())
        total.number += 1
        total.size_bytes += line.size_bytes or 0

    def _is_counted(self, line: PlanLine) -> bool:
        if line.kind != "missing":
            return False
        key = line.file or f"{line.update_id} {line.revision}"
        is_counted = key in self._missing
        self._missing.add(key)
        return is_counted

    def size_of(self, kind: PlanKind) -> int:
        """Return the bytes of all lines of a kind."""
        return self.totals[kind].size_bytes if kind in self.totals else 0

    def number_of(self, kind: PlanKind) -> int:
        """Return the number of lines of a kind."""
        return self.totals[kind].number if kind in self.totals else 0

    @property
    def digest(self) -> str:
        """BLAKE3 of all lines, without the texts for people (64 hexadecimal digits)."""
        return self._hasher.hexdigest()

    def as_json(self) -> dict[str, JsonValue]:
        """Return the totals by kind, in the order of ``PlanKind``."""
        return {
            kind: {"number": self.totals[kind].number, "bytes": self.totals[kind].size_bytes}
            for kind in get_args(PlanKind)
            if kind in self.totals
        }


def _table_of(kind: PlanKind) -> _TableKey:
    if kind == "missing":
        return "missing"
    return "content" if kind in _CONTENT else "decisions"


def missing_lines(missing: Iterable[MissingFile]) -> Iterator[PlanLine]:
    """Yield the files that stay missing, one line for each update that needs one."""
    for file in missing:
        yield PlanLine(
            "missing",
            update_id=file.update_id,
            revision=file.revision,
            title=file.title,
            kb=file.kb,
            file=file.file or "",
            size_bytes=file.size_bytes,
            reason=file.reason.value,
        )


def plan_sections(tally: PlanTally, *, about: Sequence[Fact] = ()) -> tuple[Section, ...]:
    """Return the tables of a plan: totals, decisions, content, what stays missing."""
    tables = tally.tables
    return (
        _totals_section(tally, about),
        *_table("plan-decisions", "Planned decisions", tables["decisions"], _DECISION),
        *_table("plan-content", "Planned content", tables["content"], _FILE),
        *_table(
            "plan-missing",
            "What stays missing",
            tables["missing"],
            (*_FILE, ("Reason", "reason", "text")),
        ),
    )


def total_lines(tally: PlanTally) -> Iterator[str]:
    """Yield the totals as lines for a terminal."""
    for kind in get_args(PlanKind):
        total = tally.totals.get(kind)
        if total is not None:
            amount = f", {size(total.size_bytes)}" if total.size_bytes else ""
            yield f"{KIND_LABELS[kind]}: {count(total.number)}{amount}"


_Columns = Sequence[tuple[str, str, Literal["text", "short", "bytes"]]]
_DECISION: _Columns = (
    ("Change", "kind", "short"),
    ("Update", "title", "text"),
    ("KB", "kb", "short"),
    ("Target group", "group", "text"),
    ("Action", "action", "short"),
    ("Deadline", "deadline", "short"),
    ("Reason", "reason", "text"),
)
_FILE: _Columns = (
    ("Change", "kind", "short"),
    ("Update", "title", "text"),
    ("KB", "kb", "short"),
    ("File", "file", "text"),
    ("Size", "size_bytes", "bytes"),
)


def _totals_section(tally: PlanTally, about: Sequence[Fact]) -> Section:
    return Section(
        key="plan-totals",
        title="The plan in numbers",
        note="Nothing of it has been done. plan.csv has every line, plan.json too.",
        facts=(*about, Fact(label="Digest for --confirm", value=tally.digest)),
        columns=(
            Column(label="What"),
            Column(label="Number", kind="count"),
            Column(label="Size", kind="bytes"),
        ),
        rows=tuple(
            (KIND_LABELS[kind], total.number, total.size_bytes or None)
            for kind in get_args(PlanKind)
            if (total := tally.totals.get(kind)) is not None
        ),
    )


def _table(key: str, title: str, shown: ShownLines, columns: _Columns) -> Iterator[Section]:
    if not shown.number:
        return
    cut = f"The first {count(MOST_ROWS)} of {count(shown.number)} are listed; plan.csv has all."
    yield Section(
        key=key,
        title=title,
        note=cut if shown.number > len(shown.lines) else "",
        columns=tuple(Column(label=label, kind=kind) for label, _, kind in columns),
        rows=tuple(tuple(_cell(line, name) for _, name, _ in columns) for line in shown.lines),
    )


def _cell(line: PlanLine, name: str) -> Cell:
    if name == "title" and not line.title and line.update_id:
        return f"{line.update_id} revision {line.revision}"
    if name == "action" and line.optional:
        return f"{line.action}, optional"
    value = getattr(line, name)
    return value if isinstance(value, int) or value is None else str(value)


def csv_rows(lines: Iterable[PlanLine]) -> Iterator[tuple[Cell, ...]]:
    """Return the lines of a plan as rows of ``plan.csv``; those that count nothing are left out."""
    for line in lines:
        if line.kind != "about":
            yield tuple(
                ("yes" if value else "") if isinstance(value, bool) else value
                for value in asdict(line).values()
            )


def changes_section(gone: Sequence[str], new: Sequence[str], *, of: int) -> Section:
    """Table of the differences between the plan that was confirmed and the plan now."""
    rows = (*(("no longer planned", text) for text in gone), *(("new", text) for text in new))
    return Section(
        key="plan-changes",
        title="How the plan has changed",
        note=f"{count(len(rows))} of {count(of)} differences are listed." if of > len(rows) else "",
        columns=(Column(label="Since the rehearsal", kind="short"), Column(label="Line")),
        rows=rows,
    )


def describe_identity(identity: bytes) -> str:
    """Return a line of a stored plan in words, for the list of differences."""
    values = json.loads(identity)
    kind = values.pop("kind")
    order = [name for name in HEADINGS if name in values]
    texts = [
        f"revision {values[n]}" if n == "revision" else str(values[n])
        for n in order
        if n != "optional"
    ]
    return f"{kind} " + ", ".join(texts)
