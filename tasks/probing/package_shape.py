"""The form of a metadata package: encoding, names and their order, how the updates' XML stands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.errors import PackageError
from tasks.metadata.gzip_stream import GzipStream, StreamLimitError
from tasks.metadata.limits import Limits
from tasks.metadata.xml_parser import XmlError, XmlLimitError, XmlParser
from tasks.probing.seen import PackageShape
from tasks.progress import Silence

_MOST_SHAPES = 5
_MOST_CHARACTERS = 60
_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_HEAD_BYTES = 200
_UPDATE_DEPTH, _METADATA_DEPTH = 3, 4


def read_shape(package: Path, *, limits: Limits = Limits()) -> PackageShape:  # noqa: B008 # frozen
    """Read a package to its end, in bounded memory.

    Raises:
        PackageError: It is damaged, or no XML.
    """
    reader = _Reader()
    parser = XmlParser(reader, limits)
    pieces = GzipStream(package, limits=limits, progress=Silence()).pieces()
    try:
        for piece in _with_head(pieces, reader):
            parser.feed(piece)
        parser.close()
    except (XmlError, XmlLimitError, StreamLimitError) as error:
        raise PackageError(path=package, reason=str(error)) from error
    return reader.shape()


def _with_head(pieces: Iterator[bytes], reader: _Reader) -> Iterator[bytes]:
    first = next(pieces, b"")
    reader.encoding = _encoding(first[:_HEAD_BYTES])
    yield first
    yield from pieces


def _encoding(head: bytes) -> str:
    """The encoding by its mark, else by the declaration; empty for neither."""
    for start, name in _MARKS:
        if head.startswith(start):
            return f"{name} with a mark"
    declaration = head.partition(b"?>")[0]
    if not declaration.startswith(b"<?xml") or b"encoding=" not in declaration:
        return ""
    quoted = declaration.partition(b"encoding=")[2]
    return quoted[1:].partition(quoted[:1])[0].decode("ascii", "replace").lower()


class _Reader:
    """Receiver of the parser's events; it keeps names, and the size of the largest update."""

    def __init__(self) -> None:
        self.encoding = ""
        self._root = ""
        self._attributes: dict[str, str] = {}
        self._sections: list[str] = []
        self._orders: dict[tuple[str, ...], None] = {}
        self._children: list[str] = []
        self._depth = 0
        self._is_metadata = False
        self._characters = 0
        self._has_elements = False
        self._forms: set[str] = set()
        self._updates = 0
        self._largest = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        local = name.rpartition(" ")[2]
        if self._depth == 1:
            self._root, self._attributes = local, attributes
        elif self._depth == 2 and len(self._sections) < _MOST_SHAPES:  # its level
            self._sections.append(local)
        elif self._depth == _UPDATE_DEPTH:
            self._children = []
        elif self._depth == _METADATA_DEPTH and len(self._children) < 4 * _MOST_SHAPES:
            self._children.append(local)
            self._is_metadata = local == "MetaData"
            self._characters, self._has_elements = 0, False
        elif self._is_metadata:
            self._has_elements = True
            self._characters += len(local)

    def text(self, data: str) -> None:
        if self._is_metadata:
            self._characters += len(data)

    def end(self, name: str) -> None:
        if self._depth == _METADATA_DEPTH and self._is_metadata:
            self._is_metadata = False
            self._largest = max(self._largest, self._characters)
            self._forms.add("elements" if self._has_elements else "text")
        elif self._depth == _UPDATE_DEPTH and name.rpartition(" ")[2] == "Update":
            self._updates += 1
            if len(self._orders) < _MOST_SHAPES:
                self._orders[tuple(self._children)] = None
        self._depth -= 1

    def doctype(self) -> None:
        raise XmlError("it has a DOCTYPE")

    def shape(self) -> PackageShape:
        attributes = self._attributes
        created = attributes.get("CreationTime", "")[:_MOST_CHARACTERS]
        return PackageShape(
            encoding=self.encoding,
            root=self._root,
            attributes=tuple(attributes),
            format_version=attributes.get("FormatVersion", "")[:_MOST_CHARACTERS],
            creation_time="".join("9" if char.isdigit() else char for char in created),
            sections=tuple(self._sections),
            update_children=tuple(self._orders),
            metadata=tuple(sorted(self._forms)),
            updates=self._updates,
            largest_update=self._largest,
        )
