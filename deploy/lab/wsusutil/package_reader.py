"""The reader of a metadata package: a stream, in bounded memory however large an update is."""

from __future__ import annotations

import gzip
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.parsers import expat

from deploy.lab.store.records import File, Revision
from deploy.lab.wsusutil.package import Header, PackageError
from deploy.lab.wsusutil.update_reader import UpdateParser, hex_of

_BLOCK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Received:
    """A revision of a package, and its own XML as it came, packed with zlib."""

    revision: Revision
    document: bytes


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a package; it gives the revisions before a break.

    Attributes:
        arrived: The arrival date for the revisions.
        remember: Stores a file of the package's map, which has no sizes.
        lookup: Gives a stored file by its digest.
    """

    path: Path
    arrived: str
    remember: Callable[[File], None]
    lookup: Callable[[str], File | None]

    def items(self) -> Iterator[Header | Received]:
        """Read the header, then the revisions in their order.

        Raises:
            PackageError: The package cannot be read; the message is that of WSUS if it is known.
        """
        handlers = _Handlers(self)
        try:
            with gzip.open(self.path, "rb") as stream:
                while block := stream.read(_BLOCK_BYTES):
                    handlers.parser.Parse(block)
                    yield from handlers.taken()
                handlers.parser.Parse(b"", True)  # noqa: FBT003 - expat's own signature
        except (EOFError, OSError, zlib.error, expat.ExpatError) as error:
            yield from handlers.taken()
            raise PackageError(f"Unexpected end of file or invalid XML. {error}") from error
        except (KeyError, ValueError) as error:
            yield from handlers.taken()
            raise PackageError(f"The package holds an entry that is not valid: {error}") from error


class _Update:
    """An ``Update`` of a package while it is read."""

    def __init__(self, attributes: dict[str, str]) -> None:
        self.update_id = attributes["UpdateId"]
        self.number = attributes["RevisionNumber"]
        self.categories: list[str] = []
        self.classifications: list[str] = []
        self.parser = UpdateParser()
        self._packer = zlib.compressobj(1)
        self._packed: list[bytes] = []
        self._has_text = False

    def feed(self, text: str) -> None:
        self._has_text = True
        self.parser.feed(text)
        self._packed.append(self._packer.compress(text.encode()))

    def close(self, reader: Reader) -> Received:
        if not self._has_text:
            raise PackageError(
                "The file is corrupt and cannot be imported. Metadata was not found while parsing"
                f" the input XML for update {self.update_id}"
            )
        revision = self.parser.close(reader.arrived)
        if (revision.update_id, str(revision.revision)) != (self.update_id.lower(), self.number):
            raise PackageError(f"update {self.update_id} does not match expected update")
        whole = replace(
            revision,
            created=_whole_seconds(revision.created),
            # The titles in other languages stay in the document.
            details={name: v for name, v in revision.details.items() if name != "titles"},
            product_id=next(iter(self.categories), None),
            classification_id=next(iter(self.classifications), None),
            files=tuple(_whole(file, reader.lookup) for file in revision.files),
        )
        return Received(whole, b"".join(self._packed) + self._packer.flush())


class _Handlers:
    """The parser of a package's own elements; an update's XML goes to a parser of its own."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._items: deque[Header | Received] = deque()
        self._path: list[str] = []
        self._update: _Update | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = _BLOCK_BYTES
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end

    def taken(self) -> Iterator[Header | Received]:
        """The items that were read since the last call."""
        while self._items:
            yield self._items.popleft()

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        depth = len(self._path)
        if depth == 1:
            self._items.append(_header(name, attributes))
        elif depth == 3 and name == "File":
            self._reader.remember(_mapped(attributes))
        elif depth == 3 and name == "Update":
            self._update = _Update(attributes)
        elif self._update is not None:
            if name == "MetaData":
                self.parser.CharacterDataHandler = self._update.feed
            elif name == "Category":
                self._update.categories.append(attributes["Value"].lower())
            elif name == "Classification":
                self._update.classifications.append(attributes["Value"].lower())

    def _end(self, name: str) -> None:
        self._path.pop()
        if name == "MetaData":
            self.parser.CharacterDataHandler = None
        elif name == "Update" and self._update is not None:
            self._items.append(self._update.close(self._reader))
            self._update = None


def _whole(file: File, lookup: Callable[[str], File | None]) -> File:
    mapped = lookup(file.sha1)
    if mapped is None:
        raise PackageError("No file map in package but updates contain files")
    modified = _whole_seconds(file.modified)
    return replace(file, url=mapped.url, decryption_key=mapped.decryption_key, modified=modified)


def _whole_seconds(time_text: str) -> str:
    """A time of a document in the database's format."""
    return f"{time_text.removesuffix('Z').partition('.')[0]}Z"


def _header(name: str, attributes: dict[str, str]) -> Header:
    if name != "ExportPackage":
        raise PackageError(f"unexpected XML element {name}")
    return Header(
        server_id=attributes["ServerID"],
        creation_time=attributes["CreationTime"],
        format_version=attributes["FormatVersion"],
        protocol_version=attributes["ProtocolVersion"],
    )


def _mapped(attributes: dict[str, str]) -> File:
    for name in ("Digest", "MUUrl"):
        if name not in attributes:
            raise PackageError(f"Missing {name} attribute for file")
    return File(
        sha1=hex_of(attributes["Digest"]),
        name=attributes.get("Name", ""),
        size_bytes=0,
        sha256=None,
        url=attributes["MUUrl"],
        decryption_key=attributes.get("DecryptionKey"),
        kind="payload",
        language=None,
        modified="",
    )
