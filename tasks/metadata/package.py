"""Read an untrusted package that ``wsusutil export`` wrote, as a stream.

Required, because constants and messages of the WSUS assemblies (10.0.14393) prove it: gzip around
one XML document; its root ``ExportPackage`` with ``FormatVersion`` 1.0; ``Languages`` and ``Files``
before ``Updates``; a ``Digest`` and ``MUUrl`` on every mapped file; ``UpdateId``,
``RevisionNumber`` and ``MetaData`` on every update.
Tolerated, because no document describes it: any order of children inside ``Update``; MetaData as
escaped text, CDATA or inline XML; any encoding, byte order mark and line ends; unknown elements.

libxml2's own limits stay on (no ``huge_tree``): 256 levels, and 10 MB for one text or attribute.
WSUS sends a client at most 5 MiB of update XML in one answer, so every update that can be installed
is far below them. A DOCTYPE is refused before anything behind it is parsed, so no entity is ever
defined.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from lxml import etree

from tasks.errors import PackageError
from tasks.metadata.gzip_stream import GzipStream, Limits
from tasks.metadata.model import (
    MappedFile,
    PackageEnd,
    PackageHeader,
    PackageItem,
    PackageLanguage,
    PackageUpdate,
)
from tasks.metadata.update_xml import MetadataError, read_update_xml
from tasks.metadata.xml_options import GUARDS
from tasks.progress import Progress, Silence

_ROOT = "ExportPackage"
_SECTIONS = {"Language": "Languages", "File": "Files", "Update": "Updates"}
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
        PackageError: The package breaks a rule of the format, or exceeds a limit.
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
    except etree.XMLSyntaxError as error:
        reason = f"not well-formed XML: {str(error)[:300]}"
        raise PackageError(path=package, reason=reason) from error
    finally:
        shown.finish()


class _Reader:
    """One pass over one package."""

    def __init__(self, package: Path, *, limits: Limits, progress: Progress) -> None:
        self._package = package
        self._limits = limits
        self._stream = GzipStream(package, limits=limits, progress=progress)
        self._counts = dict.fromkeys(_SECTIONS, 0)

    def items(self) -> Iterator[PackageItem]:
        pieces = self._stream.pieces()
        prolog, root = self._read_root(pieces)
        yield self._header(root)
        parser = etree.XMLPullParser(events=("end",), tag=tuple(_SECTIONS), **GUARDS)
        yield from self._feed(parser, prolog)
        last_item_end = 0
        for piece in pieces:
            has_item = False
            for item in self._feed(parser, piece):
                has_item = True
                yield item
            if has_item:
                last_item_end = self._stream.plain_bytes
            elif self._stream.plain_bytes - last_item_end > self._limits.element_bytes:
                self._refuse(f"one element is larger than {self._limits.element_bytes} bytes")
        self._finish(parser)
        yield PackageEnd(
            package_bytes=self._stream.package_bytes,
            xml_bytes=self._stream.plain_bytes,
            blake3=self._stream.blake3,
        )

    def _read_root(self, pieces: Iterator[bytes]) -> tuple[bytes, etree._Element]:
        """Parse up to the root's start tag; return all bytes that were read so far, and the root.

        The parser is fed in small parts, so that little is parsed before a DOCTYPE is refused.
        """
        parser = etree.XMLPullParser(events=("start",), **GUARDS)
        prolog = bytearray()
        for piece in pieces:
            begin = len(prolog)
            prolog += piece
            for offset in range(begin, len(prolog), _PROLOG_PIECE):
                parser.feed(bytes(prolog[offset : offset + _PROLOG_PIECE]))
                for root in _elements(parser):
                    return bytes(prolog), root
                if offset > self._limits.prolog_bytes:
                    self._refuse(f"no root element within {self._limits.prolog_bytes} bytes")
        parser.close()
        return self._refuse("no root element")

    def _header(self, root: etree._Element) -> PackageHeader:
        if root.getroottree().docinfo.internalDTD is not None:
            self._refuse("it has a DOCTYPE, which wsusutil never writes")
        if root.tag != _ROOT:
            self._refuse(f"expected root element {_ROOT}, found {str(root.tag)[:100]}")
        version = root.get("FormatVersion")
        if version != "1.0":
            self._refuse(f"expected FormatVersion 1.0, found {version}")
        return PackageHeader(
            server_id=self._guid(root, "ServerID"),
            created=self._time(root.get("CreationTime", "")),
            protocol_version=root.get("ProtocolVersion", ""),
        )

    def _feed(self, parser: etree.XMLPullParser, piece: bytes) -> Iterator[PackageItem]:
        parser.feed(piece)
        for element in _elements(parser):
            if _is_package_element(element):
                yield self._item(element)
                _discard(element)

    def _finish(self, parser: etree.XMLPullParser) -> None:
        try:
            parser.close()
        except etree.XMLSyntaxError as error:
            reason = f"XML does not reach </{_ROOT}>: {str(error)[:300]}"
            raise PackageError(path=self._package, reason=reason) from error

    def _item(self, element: etree._Element) -> PackageItem:
        self._count(str(element.tag))
        if element.tag == "Update":
            return self._update(element)
        if self._counts["Update"]:
            self._refuse(f"a {element.tag} element stands after the updates")
        if element.tag == "Language":
            code = self._short(element.get("ShortName", "").strip().lower())
            is_enabled = element.get("Enabled", "").strip().lower() in {"1", "true"}
            return PackageLanguage(code=code, is_enabled=is_enabled)
        return self._mapped_file(element)

    def _count(self, tag: str) -> None:
        limits = self._limits
        largest = {
            "Language": limits.languages,
            "File": limits.mapped_files,
            "Update": limits.revisions,
        }
        self._counts[tag] += 1
        if self._counts[tag] > largest[tag]:
            self._refuse(f"it has more than {largest[tag]} {tag} elements")

    def _short(self, name: str) -> str:
        """Return a name; refuse a very long one, since the index has thousands in memory."""
        if len(name) > self._limits.name_characters:
            self._refuse(f"a name in it has more than {self._limits.name_characters} characters")
        return name

    def _mapped_file(self, element: etree._Element) -> MappedFile:
        url = element.get("MUUrl")
        if url is None:
            self._refuse("a mapped file has no MUUrl")
        return MappedFile(
            sha1=self._sha1(element),
            name=self._short(element.get("Name", "")),
            url=self._short(url),
            has_decryption_key=bool(element.get("DecryptionKey")),
        )

    def _update(self, element: etree._Element) -> PackageUpdate:
        update_id = self._guid(element, "UpdateId")
        number = element.get("RevisionNumber", "")
        # The API has revision numbers as Int32, which nine digits fit.
        if not (number.isascii() and number.isdigit() and len(number) <= 9):
            self._refuse(f"update {update_id} has RevisionNumber {number[:40]!r}")
        sha1s = tuple(dict.fromkeys(self._sha1(file) for file in element.iterfind("Files/File")))
        if sha1s and not self._counts["File"]:
            self._refuse(f"there is no file map, but update {update_id} has files")
        metadata_element = element.find("MetaData")
        if metadata_element is None:
            self._refuse(f"update {update_id} revision {number} has no MetaData")
        try:
            metadata = read_update_xml(metadata_element)
        except (MetadataError, etree.XMLSyntaxError) as error:
            reason = f"MetaData of update {update_id} revision {number}: {str(error)[:300]}"
            raise PackageError(path=self._package, reason=reason) from error
        for file in metadata.files:
            self._short(file.name)
        key = (_guid_bytes(update_id), int(number))
        if metadata.identity not in {None, key}:
            self._refuse(f"MetaData of update {update_id} revision {number} is of another update")
        return PackageUpdate(
            update_id=key[0],
            revision=key[1],
            sha1s=sha1s,
            categories=self._values(element, "Categories/Category"),
            classifications=self._values(element, "Classifications/Classification"),
            metadata=metadata,
        )

    def _values(self, element: etree._Element, path: str) -> frozenset[bytes]:
        values = element.iterfind(path)
        return frozenset(_guid_bytes(self._guid(value, "Value")) for value in values)

    def _guid(self, element: etree._Element, name: str) -> str:
        match = _GUID.fullmatch(element.get(name, "").strip())
        if match is None:
            self._refuse(f"{element.tag} has {name} {element.get(name)!r}, which is no GUID")
        return match[1].lower()

    def _sha1(self, element: etree._Element) -> bytes:
        text = element.get("Digest")
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

    def _refuse(self, reason: str) -> NoReturn:
        raise PackageError(path=self._package, reason=reason)


def _elements(parser: etree.XMLPullParser) -> Iterator[etree._Element]:
    for _, element in parser.read_events():
        if isinstance(element, etree._Element):  # noqa: SLF001 # lxml's type has no public name
            yield element


def _guid_bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))


def _is_package_element(element: etree._Element) -> bool:
    """Return True if an element is in its section below the root, not inside an update's XML."""
    section = element.getparent()
    if section is None or section.tag != _SECTIONS.get(str(element.tag)):
        return False
    root = section.getparent()
    return root is not None and root.getparent() is None


def _discard(element: etree._Element) -> None:
    """Empty an element and remove everything before it, so that the tree does not grow."""
    element.clear()
    node: etree._Element | None = element
    while node is not None:
        parent = node.getparent()
        while parent is not None and node.getprevious() is not None:
            del parent[0]
        node = parent
