"""Read an untrusted package that ``wsusutil export`` wrote, as a stream.

Required, because constants and messages of the WSUS assemblies (10.0.14393) prove it: gzip around
one XML document; its root ``ExportPackage`` with ``FormatVersion`` 1.0; ``Languages`` and ``Files``
before ``Updates``; a ``Digest`` and ``MUUrl`` on every mapped file; ``UpdateId``,
``RevisionNumber`` and ``MetaData`` on every update.
Tolerated, because no document describes it: any order of children inside ``Update``; MetaData as
escaped text, CDATA or inline XML; any encoding that the parser knows, byte order mark and line
ends; unknown elements.

Two parsers work in turn (``tasks/metadata/xml_parser.py``): one for the package, one for the XML of
the updates in it. Neither builds a tree, so memory does not depend on the size of an update. A
DOCTYPE is refused before anything behind it is parsed, so no entity is ever defined.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from tasks.errors import PackageError, PackageLimitError
from tasks.metadata.gzip_stream import GzipStream, StreamLimitError
from tasks.metadata.limits import Limits
from tasks.metadata.model import (
    MappedFile,
    PackageEnd,
    PackageHeader,
    PackageItem,
    PackageLanguage,
    PackageUpdate,
    UpdateMetadata,
)
from tasks.metadata.update_files import Attributes, MetadataError, MetadataLimitError
from tasks.metadata.xml_filter import FilterError, XmlFilter
from tasks.metadata.xml_parser import MetadataParser, XmlError, XmlLimitError, XmlParser
from tasks.progress import Progress, Silence
from tasks.quantities import size

_ROOT = "ExportPackage"
_SECTIONS = {"Languages": "Language", "Files": "File", "Updates": "Update"}
_GUID = re.compile(r"\{?([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\}?")
_PROLOG_PIECE = 4 * 1024

DEFAULT_LIMITS = Limits()


def read_package(
    package: Path, *, progress: Progress | None = None, limits: Limits = DEFAULT_LIMITS
) -> Iterator[PackageItem]:
    """Yield header, languages, mapped files and updates of a package, then its end.

    Memory does not grow with the package. The caller must discard all items unless a
    ``PackageEnd`` follows them.

    Raises:
        PackageError: The package breaks a rule of the format.
        PackageLimitError: It exceeds a limit.
    """
    shown = progress if progress is not None else Silence()
    try:
        total = package.stat().st_size
    except OSError as error:
        reason = error.strerror or str(error)
        raise PackageError(path=package, reason=f"cannot be read: {reason}") from error
    shown.start("Read metadata package", total=total, unit="bytes")
    try:
        yield from _Reader(package, limits=limits, progress=shown).items()
    finally:
        shown.finish()


@dataclass(slots=True)
class _Update:
    """An ``Update`` element that is open."""

    update_id: str
    revision: str
    sha1s: dict[bytes, None] = field(default_factory=dict)
    categories: set[bytes] = field(default_factory=set)
    classifications: set[bytes] = field(default_factory=set)
    metadata: UpdateMetadata | None = None

    @property
    def key(self) -> tuple[bytes, int]:
        return (_guid_bytes(self.update_id), int(self.revision))


class _Reader:
    """One pass over one package, as the receiver of the package parser's events."""

    def __init__(self, package: Path, *, limits: Limits, progress: Progress) -> None:
        self._package = package
        self._limits = limits
        self._stream = GzipStream(package, limits=limits, progress=progress)
        self._counts = dict.fromkeys(_SECTIONS.values(), 0)
        self._ready: list[PackageItem] = []
        self._depth = 0
        self._section = ""
        self._child = ""  # the child of an update that is open
        self._update: _Update | None = None
        self._metadata: MetadataParser | None = None  # while MetaData is open
        self._metadata_parser = MetadataParser(limits)
        self._parser = XmlParser(self, limits)
        self._filter = XmlFilter(self._parser.feed, self._find_needless)
        self._last_item_end = 0

    def items(self) -> Iterator[PackageItem]:
        pieces = self._stream.pieces()
        try:
            for piece in self._pieces_of_prolog(pieces):
                self._parser.feed(piece)
                yield from self._take_ready()
            for piece in pieces:
                self._filter.feed(piece)
                yield from self._take_ready()
                self._check_size()
            self._filter.close()
            self._close()
        except (StreamLimitError, XmlLimitError, MetadataLimitError) as error:
            self._stop_at_limit(str(error))
        except (MetadataError, FilterError) as error:
            self._refuse(f"{self._where()}: {error}")
        except XmlError as error:
            where = "" if self._metadata is None else f"{self._where()}: "
            self._refuse(f"{where}not well-formed XML: {error}")
        yield from self._take_ready()
        yield PackageEnd(
            package_bytes=self._stream.package_bytes,
            xml_bytes=self._stream.plain_bytes,
            blake3=self._stream.blake3,
        )

    def _pieces_of_prolog(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes up to the root's start tag, and no more than the rest of one piece.

        They are small parts, so that little is parsed before a DOCTYPE is refused.
        """
        count = 0
        for piece in pieces:
            for offset in range(0, len(piece), _PROLOG_PIECE):
                if self._depth:
                    self._filter.feed(piece[offset:])
                    return
                if count > self._limits.prolog_bytes:
                    self._refuse(f"no root element within {size(self._limits.prolog_bytes)}")
                part = piece[offset : offset + _PROLOG_PIECE]
                count += len(part)
                yield part
            if self._depth:
                return

    def _take_ready(self) -> Iterator[PackageItem]:
        if self._ready:
            ready, self._ready = self._ready, []
            self._last_item_end = self._stream.plain_bytes
            yield from ready

    def _check_size(self) -> None:
        if self._stream.plain_bytes - self._last_item_end > self._limits.element_bytes:
            self._stop_at_limit(f"it has more than {size(self._limits.element_bytes)} of XML")

    def _close(self) -> None:
        try:
            self._parser.close()
        except XmlError as error:
            reason = f"XML does not reach </{_ROOT}>: {error}"
            raise PackageError(path=self._package, reason=reason) from error

    def _find_needless(self, is_escaped: bool) -> str:  # noqa: FBT001 # the filter's only question
        """Return the element of the open update whose rest is not needed; "" if none is.

        In a CDATA section nothing is left out: a tag that looks bare there is text.
        """
        if self._metadata is None:
            return ""
        self._parser.flush_text()
        if self._metadata.is_inline == is_escaped:
            return ""
        return self._metadata.reader.needless()

    # Events of the package's parser.

    def doctype(self) -> None:
        """Refuse a DOCTYPE."""
        self._refuse("it has a DOCTYPE, which wsusutil never writes")

    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element."""
        if self._metadata is not None:
            self._metadata.start(name, attributes)
            return
        self._depth += 1
        if self._depth > self._limits.depth:
            self._stop_at_limit(f"it is deeper than {self._limits.depth} elements")
        if self._depth == 1:
            self._ready.append(self._header(name, attributes))
        elif self._depth == 2:
            self._section = name
        elif self._depth == 3 and name == _SECTIONS.get(self._section):
            self._start_item(name, attributes)
        elif self._update is not None:
            self._start_in_update(self._update, name, attributes)

    def text(self, data: str) -> None:
        """Take text; only that of MetaData has a meaning."""
        if self._metadata is not None:
            self._metadata.text(data)

    def end(self, name: str) -> None:
        """Take the end of an element."""
        if self._metadata is not None:
            if self._metadata.depth:
                self._metadata.end(name)
                return
            self._end_metadata(self._metadata)
        self._depth -= 1
        if self._depth == 2 and self._update is not None:
            self._end_update(self._update)

    def _start_item(self, name: str, attributes: Attributes) -> None:
        self._count(name)
        if name == "Update":
            self._update = self._open_update(attributes)
            return
        if self._counts["Update"]:
            self._refuse(f"a {name} element stands after the updates")
        if name == "Language":
            code = self._short(attributes.get("ShortName", "").strip().lower())
            is_enabled = attributes.get("Enabled", "").strip().lower() in {"1", "true"}
            self._ready.append(PackageLanguage(code=code, is_enabled=is_enabled))
        else:
            self._ready.append(self._mapped_file(attributes))

    def _start_in_update(self, update: _Update, name: str, attributes: Attributes) -> None:
        if self._depth == 4:
            self._child = name
            if name == "MetaData":
                self._metadata = self._metadata_parser
                self._metadata.open()
        elif self._depth == 5:
            match (self._child, name):
                case ("Files", "File"):
                    self._list_file(update, attributes)
                case ("Categories", "Category"):
                    update.categories.add(_guid_bytes(self._guid(name, attributes, "Value")))
                case ("Classifications", "Classification"):
                    update.classifications.add(_guid_bytes(self._guid(name, attributes, "Value")))
                case _:
                    pass

    def _end_metadata(self, metadata: MetadataParser) -> None:
        read = metadata.close()
        self._metadata = None
        if self._update is not None:
            if read.identity not in {None, self._update.key}:
                self._refuse(f"{self._where()} is of another update")
            self._update.metadata = read

    def _end_update(self, update: _Update) -> None:
        if update.metadata is None:
            self._refuse(
                f"update {update.update_id} revision {update.revision} has no MetaData"
            )  # fmt: skip
        update_id, revision = update.key
        self._ready.append(
            PackageUpdate(
                update_id=update_id,
                revision=revision,
                sha1s=tuple(update.sha1s),
                categories=frozenset(update.categories),
                classifications=frozenset(update.classifications),
                metadata=update.metadata,
            )
        )
        self._update = None

    # Parts of the package.

    def _header(self, name: str, attributes: Attributes) -> PackageHeader:
        if name != _ROOT:
            self._refuse(f"expected root element {_ROOT}, found {name[:100]}")
        version = attributes.get("FormatVersion")
        if version != "1.0":
            self._refuse(f"expected FormatVersion 1.0, found {version}")
        return PackageHeader(
            server_id=self._guid(name, attributes, "ServerID"),
            created=self._time(attributes.get("CreationTime", "")),
            protocol_version=attributes.get("ProtocolVersion", ""),
        )

    def _open_update(self, attributes: Attributes) -> _Update:
        update_id = self._guid("Update", attributes, "UpdateId")
        number = attributes.get("RevisionNumber", "")
        # The API has revision numbers as Int32, which nine digits fit.
        if not (number.isascii() and number.isdigit() and len(number) <= 9):
            self._refuse(f"update {update_id} has RevisionNumber {number[:40]!r}")
        return _Update(update_id, number)

    def _list_file(self, update: _Update, attributes: Attributes) -> None:
        if not self._counts["File"]:
            self._refuse(f"there is no file map, but update {update.update_id} has files")
        update.sha1s[self._sha1(attributes)] = None
        if len(update.sha1s) > self._limits.entries:
            self._stop_at_limit(f"it lists more than {self._limits.entries} files")

    def _mapped_file(self, attributes: Attributes) -> MappedFile:
        url = attributes.get("MUUrl")
        if url is None:
            self._refuse("a mapped file has no MUUrl")
        return MappedFile(
            sha1=self._sha1(attributes),
            name=self._short(attributes.get("Name", "")),
            url=self._short(url),
            has_decryption_key=bool(attributes.get("DecryptionKey")),
        )

    def _count(self, name: str) -> None:
        limits = self._limits
        largest = {
            "Language": limits.languages,
            "File": limits.mapped_files,
            "Update": limits.revisions,
        }
        self._counts[name] += 1
        if self._counts[name] > largest[name]:
            self._stop_at_limit(f"it has more than {largest[name]} {name} elements")

    def _short(self, name: str) -> str:
        """Return a name; refuse a very long one, since the index has thousands in memory."""
        if len(name) > self._limits.name_characters:
            limit = self._limits.name_characters
            self._stop_at_limit(f"a name in it has more than {limit} characters")
        return name

    def _guid(self, element: str, attributes: Attributes, name: str) -> str:
        match = _GUID.fullmatch(attributes.get(name, "").strip())
        if match is None:
            self._refuse(f"{element} has {name} {attributes.get(name)!r:.100}, which is no GUID")
        return match[1].lower()

    def _sha1(self, attributes: Attributes) -> bytes:
        text = attributes.get("Digest")
        if text is None:
            self._refuse("a file has no Digest")
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if len(raw) != 20:
            self._refuse(f"Digest {text[:60]!r} is not the base64 form of 20 bytes")
        return raw

    def _time(self, text: str) -> datetime:
        try:
            moment = datetime.fromisoformat(text)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self._refuse(f"CreationTime {text[:60]!r} is no time")

    def _where(self) -> str:
        if self._update is None:
            return "the package"
        return f"MetaData of update {self._update.update_id} revision {self._update.revision}"

    def _stop_at_limit(self, reason: str) -> NoReturn:
        raise PackageLimitError(path=self._package, where=self._where(), reason=reason)

    def _refuse(self, reason: str) -> NoReturn:
        raise PackageError(path=self._package, reason=reason)


def _guid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
