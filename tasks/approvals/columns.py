"""Sorted records without duplicates, stored as columns to save memory, and found by update.

An import has three sets of approvals in memory at once (applied last, incoming, present), each as
large as the bundle format allows. As objects they would take several times as much memory, so the
values are stored by field, and a record is built anew whenever it is read.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, Protocol, TypeVar, overload

from tasks.revision import RevisionId

_Path = tuple[str, ...]
_Key = tuple[str, _Path]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_TIME = -(1 << 63)
_NUMBERS = {"revision": "i", "deadline": "q"}
_SORT_FIELDS = ("optional", "deadline", "action", "group", "revision", "update_id")
"""Fields to sort by, the most significant one last."""


class Revised(Protocol):
    """A record of an update and a revision, with any other fields."""

    @property
    def update_id(self) -> str:
        """The id of the update."""

    @property
    def revision(self) -> int:
        """The number of the revision."""


class Grouped(Revised, Protocol):
    """A record of an update and a group."""

    @property
    def key(self) -> _Key:
        """Update id and folded group."""


Record = TypeVar("Record", bound=Revised)
GroupedRecord = TypeVar("GroupedRecord", bound=Grouped)


class Gathering(Generic[Record]):
    """A collection of records of one kind, in any order, that is sorted at the end."""

    __slots__ = ("_columns", "_kind")

    def __init__(self, kind: Callable[..., Record]) -> None:
        """Begin without records; ``kind`` is a dataclass or named tuple."""
        self._kind = kind
        self._columns = {name: _column(name) for name in _field_names(kind)}

    def add(self, record: Record) -> None:
        """Add one record."""
        for name, column in self._columns.items():
            value = getattr(record, name)
            column.append(_to_seconds(value) if name == "deadline" else value)

    def sorted(self) -> Columns[Record]:
        """Return all records in order, without duplicates."""
        return Columns(self._kind, _sorted(self._columns))


class Columns(Sequence[Record]):
    """Records of one kind, sorted by update id, revision, group, action, deadline and optional."""

    __slots__ = ("_columns", "_ids", "_is_checked", "_kind", "_names", "_revisions")
    __hash__ = None  # type: ignore[assignment]  # a hash would have to read every record

    def __init__(
        self, kind: Callable[..., Record], columns: Mapping[str, MutableSequence[Any]]
    ) -> None:
        """Use columns that are sorted already, one for each field of ``kind``."""
        self._kind = kind
        self._is_checked = is_dataclass(kind)
        self._columns = columns
        self._names = tuple(columns)
        self._ids = columns["update_id"]
        self._revisions = columns["revision"]

    @classmethod
    def of(cls, kind: Callable[..., Record], records: Iterable[Record] = ()) -> Columns[Record]:
        """Sort records and drop duplicates; ``records`` may be an iterator."""
        gathering = Gathering(kind)
        for record in records:
            gathering.add(record)
        return gathering.sorted()

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        """Build one record, or the records of a slice."""
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        values = [column[index] for column in self._columns.values()]
        if "deadline" in self._columns:
            position = self._names.index("deadline")
            values[position] = _to_time(values[position])
        if not self._is_checked:
            return self._kind(*values)
        record: Record = object.__new__(self._kind)  # type: ignore[arg-type]  # a class
        for name, value in zip(self._names, values, strict=True):
            object.__setattr__(record, name, value)  # checked when the record was added
        return record

    def __eq__(self, other: object) -> bool:
        """Return True if another list has the same records in the same order."""
        if not isinstance(other, Columns | tuple):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __contains__(self, record: object) -> bool:
        """Return True if there is an equal record."""
        update_id, revision = getattr(record, "update_id", None), getattr(record, "revision", None)
        if update_id is None or revision is None:
            return False
        rows = self.rows_of(update_id)
        first = bisect_left(self._revisions, revision, rows.start, rows.stop)
        last = bisect_right(self._revisions, revision, first, rows.stop)
        return any(self[row] == record for row in range(first, last))

    def __repr__(self) -> str:
        """Show all records, for the messages of tests."""
        return repr(tuple(self))

    @property
    def update_ids(self) -> Sequence[str]:
        """The update id of each record, ascending."""
        return self._ids

    def rows_of(self, update_id: str) -> range:
        """Return the indexes of the records of an update."""
        first = bisect_left(self._ids, update_id)
        return range(first, bisect_right(self._ids, update_id, first))

    def of_update(self, update_id: str) -> Iterator[Record]:
        """Yield the records of one update, ascending."""
        return (self[row] for row in self.rows_of(update_id))


def revision_set(revisions: Iterable[RevisionId]) -> Columns[RevisionId]:
    """Collect many revisions in little memory, to test for membership."""
    return Columns.of(RevisionId, revisions)


class ByUpdate(Mapping[str, Record]):
    """The newest record of each update, by update id, ascending."""

    __slots__ = ("_count", "_records")

    def __init__(self, records: Columns[Record]) -> None:
        self._records = records
        self._count: int | None = None

    def __getitem__(self, update_id: str) -> Record:
        """Build the newest record of an update."""
        rows = self._records.rows_of(update_id)
        if not rows:
            raise KeyError(update_id)
        return self._records[rows[-1]]

    def __contains__(self, update_id: object) -> bool:
        """Return True if there is a record of an update."""
        return isinstance(update_id, str) and bool(self._records.rows_of(update_id))

    def __iter__(self) -> Iterator[str]:
        """Yield the update ids, ascending."""
        last = None
        for update_id in self._records.update_ids:
            if update_id != last:
                yield update_id
            last = update_id

    def __len__(self) -> int:
        """Return the number of updates."""
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count


class ByKey(Mapping[_Key, GroupedRecord]):
    """The newest record of each update and group, ascending by both.

    The records of the last update are cached, so look up the keys of one update one after another.
    """

    __slots__ = ("_by_group", "_count", "_records", "_update_id")

    def __init__(self, records: Columns[GroupedRecord]) -> None:
        self._records = records
        self._update_id: str | None = None
        self._by_group: dict[_Path, GroupedRecord] = {}
        self._count: int | None = None

    def _of(self, update_id: str) -> dict[_Path, GroupedRecord]:
        if update_id != self._update_id:
            # Ascending by revision, so that the newest stays.
            self._by_group = {
                record.key[1]: record for record in self._records.of_update(update_id)
            }
            self._update_id = update_id
        return self._by_group

    def __getitem__(self, key: _Key) -> GroupedRecord:
        """Build the newest record of an update and a group."""
        record = self._of(key[0]).get(key[1])
        if record is None:
            raise KeyError(key)
        return record

    def __iter__(self) -> Iterator[_Key]:
        """Yield the keys, ascending."""
        for update_id in ByUpdate(self._records):
            for group in sorted(self._of(update_id)):
                yield update_id, group

    def __len__(self) -> int:
        """Return the number of keys."""
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count


def _field_names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401  a class, of either sort
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    names: tuple[str, ...] = kind._fields
    return names


def _column(name: str) -> MutableSequence[Any]:
    return array(_NUMBERS[name]) if name in _NUMBERS else []


def _sorted(columns: dict[str, MutableSequence[Any]]) -> dict[str, MutableSequence[Any]]:
    """Sort all columns alike and drop duplicate rows."""
    order = list(range(len(columns["update_id"])))
    for name in _SORT_FIELDS:
        if name in columns:
            order.sort(key=columns[name].__getitem__)  # stable, so the last field weighs most
    distinct = [
        row
        for before, row in zip([None, *order], order, strict=False)
        if before is None or any(column[before] != column[row] for column in columns.values())
    ]
    result = {}
    for name, column in columns.items():
        result[name] = _column(name)
        result[name].extend(column[row] for row in distinct)
    return result


def _to_seconds(moment: datetime | None) -> int:
    return _NO_TIME if moment is None else (moment - _EPOCH) // timedelta(seconds=1)


def _to_time(seconds: int) -> datetime | None:
    return None if seconds == _NO_TIME else _EPOCH + timedelta(seconds=seconds)
