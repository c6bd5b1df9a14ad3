"""Many records in little memory: in columns, sorted, each once, found by update.

A site with the most approvals that a bundle may have holds them three times at once (applied last,
incoming, present). Kept as objects they take several times what they take here: a record is made
anew whenever it is asked for.
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
_MOST_SIGNIFICANT_LAST = ("optional", "deadline", "action", "group", "revision", "update_id")


class Revised(Protocol):
    """What is kept: records of an update and a revision, with whatever other fields."""

    @property
    def update_id(self) -> str:
        """The update."""

    @property
    def revision(self) -> int:
        """Its revision."""


class Grouped(Revised, Protocol):
    """A record that is about an update and a group."""

    @property
    def key(self) -> _Key:
        """Update and folded group."""


Record = TypeVar("Record", bound=Revised)
GroupedRecord = TypeVar("GroupedRecord", bound=Grouped)


class Gathering(Generic[Record]):
    """Records of one kind as they come, in any order, before they are sorted."""

    __slots__ = ("_columns", "_kind")

    def __init__(self, kind: Callable[..., Record]) -> None:
        """Begin with none; ``kind`` is a dataclass or named tuple."""
        self._kind = kind
        self._columns = {name: _column(name) for name in _field_names(kind)}

    def add(self, record: Record) -> None:
        """Take one record."""
        for name, column in self._columns.items():
            value = getattr(record, name)
            column.append(_to_seconds(value) if name == "deadline" else value)

    def sorted(self) -> Columns[Record]:
        """Give all of them, equal ones once."""
        return Columns(self._kind, _sorted(self._columns))


class Columns(Sequence[Record]):
    """Records of one kind by update id, revision, group, action, deadline and optional."""

    __slots__ = ("_columns", "_ids", "_is_checked", "_kind", "_names", "_revisions")
    __hash__ = None  # type: ignore[assignment]  # as long as the list: nobody keeps it in a set

    def __init__(
        self, kind: Callable[..., Record], columns: Mapping[str, MutableSequence[Any]]
    ) -> None:
        """Take columns that are sorted, one for each field of ``kind``."""
        self._kind = kind
        self._is_checked = is_dataclass(kind)
        self._columns = columns
        self._names = tuple(columns)
        self._ids = columns["update_id"]
        self._revisions = columns["revision"]

    @classmethod
    def of(cls, kind: Callable[..., Record], records: Iterable[Record] = ()) -> Columns[Record]:
        """Sort records, equal ones once; they are read once, one in memory."""
        gathering = Gathering(kind)
        for record in records:
            gathering.add(record)
        return gathering.sorted()

    def __len__(self) -> int:
        """How many records there are."""
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        """Make one record, or those of a slice."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        values = [column[index] for column in self._columns.values()]
        if "deadline" in self._columns:
            place = self._names.index("deadline")
            values[place] = _to_time(values[place])
        if not self._is_checked:
            return self._kind(*values)
        record: Record = object.__new__(self._kind)  # type: ignore[arg-type]  # a class
        for name, value in zip(self._names, values, strict=True):
            object.__setattr__(record, name, value)  # what was checked once is not checked again
        return record

    def __eq__(self, other: object) -> bool:
        """Whether another list has the same records in the same order."""
        if not isinstance(other, Columns | tuple):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __contains__(self, record: object) -> bool:
        """Whether there is an equal record."""
        update_id, revision = getattr(record, "update_id", None), getattr(record, "revision", None)
        if update_id is None or revision is None:
            return False
        places = self.places(update_id)
        first = bisect_left(self._revisions, revision, places.start, places.stop)
        last = bisect_right(self._revisions, revision, first, places.stop)
        return any(self[place] == record for place in range(first, last))

    def __repr__(self) -> str:
        """All records, for the messages of tests."""
        return repr(tuple(self))

    @property
    def update_ids(self) -> Sequence[str]:
        """The update of each record, ascending."""
        return self._ids

    def places(self, update_id: str) -> range:
        """Where the records of one update stand."""
        first = bisect_left(self._ids, update_id)
        return range(first, bisect_right(self._ids, update_id, first))

    def of_update(self, update_id: str) -> Iterator[Record]:
        """Yield the records of one update, ascending."""
        return (self[place] for place in self.places(update_id))


def revision_set(revisions: Iterable[RevisionId]) -> Columns[RevisionId]:
    """Keep many revisions in little memory; made to be asked what is among them."""
    return Columns.of(RevisionId, revisions)


class ByUpdate(Mapping[str, Record]):
    """The newest record of each update, by update id, ascending."""

    __slots__ = ("_count", "_records")

    def __init__(self, records: Columns[Record]) -> None:
        self._records = records
        self._count: int | None = None

    def __getitem__(self, update_id: str) -> Record:
        """Make the newest record of an update."""
        places = self._records.places(update_id)
        if not places:
            raise KeyError(update_id)
        return self._records[places[-1]]

    def __contains__(self, update_id: object) -> bool:
        """Whether there is a record of an update."""
        return isinstance(update_id, str) and bool(self._records.places(update_id))

    def __iter__(self) -> Iterator[str]:
        """Yield the updates, ascending."""
        last = None
        for update_id in self._records.update_ids:
            if update_id != last:
                yield update_id
            last = update_id

    def __len__(self) -> int:
        """How many updates there are."""
        if self._count is None:
            self._count = sum(1 for _ in self)
        return self._count


class ByKey(Mapping[_Key, GroupedRecord]):
    """The newest record of each update and group, ascending by both.

    Quick where keys are asked for update by update: the last update's records are remembered.
    """

    __slots__ = ("_count", "_found", "_records", "_update_id")

    def __init__(self, records: Columns[GroupedRecord]) -> None:
        self._records = records
        self._update_id: str | None = None
        self._found: dict[_Path, GroupedRecord] = {}
        self._count: int | None = None

    def _of(self, update_id: str) -> dict[_Path, GroupedRecord]:
        if update_id != self._update_id:
            # Ascending by revision, so that the newest stays.
            self._found = {each.key[1]: each for each in self._records.of_update(update_id)}
            self._update_id = update_id
        return self._found

    def __getitem__(self, key: _Key) -> GroupedRecord:
        """Make the newest record of an update and a group."""
        found = self._of(key[0]).get(key[1])
        if found is None:
            raise KeyError(key)
        return found

    def __iter__(self) -> Iterator[_Key]:
        """Yield the keys, ascending."""
        for update_id in ByUpdate(self._records):
            for group in sorted(self._of(update_id)):
                yield update_id, group

    def __len__(self) -> int:
        """How many keys there are."""
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
    """Sort all columns alike and drop what stands twice."""
    order = list(range(len(columns["update_id"])))
    for name in _MOST_SIGNIFICANT_LAST:
        if name in columns:
            order.sort(key=columns[name].__getitem__)  # stable: the last one decides first
    distinct = [
        place
        for before, place in zip([None, *order], order, strict=False)
        if before is None or any(each[before] != each[place] for each in columns.values())
    ]
    result = {}
    for name, column in columns.items():
        result[name] = _column(name)
        result[name].extend(column[place] for place in distinct)
    return result


def _to_seconds(moment: datetime | None) -> int:
    return _NO_TIME if moment is None else (moment - _EPOCH) // timedelta(seconds=1)


def _to_time(seconds: int) -> datetime | None:
    return None if seconds == _NO_TIME else _EPOCH + timedelta(seconds=seconds)
