"""The metadata package (``.xml.gz``), which ``export`` writes and ``import`` reads."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from deploy.lab.store.records import File, Revision
from deploy.lab.wsusutil import update_xml

FORMAT_VERSION = "1.0"
_LONG_NAMES = {"en": "English", "de": "German", "ja": "Japanese", "fr": "French", "ar": "Arabic"}


class PackageError(Exception):
    """An unreadable package; the text is the message for the log."""


@dataclass(frozen=True, slots=True)
class Header:
    """The attributes of the root element."""

    server_id: str
    creation_time: str
    format_version: str
    protocol_version: str


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a package.

    Attributes:
        languages: Codes, each with True if the language is enabled.
    """

    header: Header
    languages: Iterable[tuple[str, bool]]
    files: Iterable[File]
    revisions: Iterable[Revision]


def write(path: Path, contents: Contents) -> None:
    """Write a package as a stream.

    Raises:
        OSError: The package cannot be written, or it exists.
    """
    with path.open("xb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb") as packed:
        text = io.TextIOWrapper(packed, "utf-8", newline="\n")
        for part in _parts(contents):
            text.write(part)
        text.flush()
        text.detach()


def _parts(contents: Contents) -> Iterator[str]:
    header = contents.header
    yield '<?xml version="1.0" encoding="utf-8"?>\n'
    yield (
        f'<ExportPackage ServerID="{header.server_id}" CreationTime="{header.creation_time}"'
        f' FormatVersion="{header.format_version}" ProtocolVersion="{header.protocol_version}">\n'
    )
    yield "<Languages>\n"
    for number, (code, enabled) in enumerate(contents.languages, start=1):
        yield (
            f'<Language Id="{number}" ShortName="{code}" LongName="{_LONG_NAMES.get(code, code)}"'
            f' Enabled="{int(enabled)}" />\n'
        )
    yield "</Languages>\n<Files>\n"
    for file in contents.files:
        key = f' DecryptionKey="{file.decryption_key}"' if file.decryption_key else ""
        yield (
            f'<File Digest="{update_xml.base64_of(file.sha1)}"'
            f' MUUrl="{update_xml.attribute(file.url)}"'
            f' Name="{update_xml.attribute(file.name)}"{key} />\n'
        )
    yield "</Files>\n<Updates>\n"
    yield from map(_update, contents.revisions)
    yield "</Updates>\n</ExportPackage>\n"


def _update(revision: Revision) -> str:
    files = "".join(
        f'<File Digest="{update_xml.base64_of(file.sha1)}" />' for file in revision.files
    )
    category = f'<Category Value="{revision.product_id}" />' if revision.product_id else ""
    classification = (
        f'<Classification Value="{revision.classification_id}" />'
        if revision.classification_id
        else ""
    )
    return (
        f'<Update UpdateId="{revision.update_id}" RevisionNumber="{revision.revision}">'
        f"<Files>{files}</Files><Categories>{category}</Categories>"
        f"<Classifications>{classification}</Classifications>"
        f"<MetaData>{escape(update_xml.write(revision))}</MetaData></Update>\n"
    )


@dataclass(frozen=True, slots=True)
class Reader:
    """The reader of a package: a stream, so that it gives the revisions before a break.

    Attributes:
        arrived: The arrival date for the revisions.
        remember: Stores a file of the package's map, which has no sizes.
        lookup: Gives a stored file by its digest.
    """

    path: Path
    arrived: str
    remember: Callable[[File], None]
    lookup: Callable[[str], File | None]

    def items(self) -> Iterator[Header | Revision]:
        """Read the header, then the revisions in their order.

        Raises:
            PackageError: The package cannot be read; the message is that of WSUS if it is known.
        """
        try:
            with gzip.open(self.path, "rb") as stream:
                # The input comes from a lab's server or a test, never from outside.
                events = ElementTree.iterparse(stream, ("start", "end"))  # noqa: S314
                yield from self._parsed(events)
        except (EOFError, OSError, zlib.error) as error:
            raise PackageError(f"Unexpected end of file. {error}") from error
        except ElementTree.ParseError as error:
            raise PackageError(f"Unexpected end of file or invalid XML. {error}") from error
        except (KeyError, ValueError) as error:
            raise PackageError(f"The package holds an entry that is not valid: {error}") from error

    def _parsed(
        self, events: Iterable[tuple[str, ElementTree.Element]]
    ) -> Iterator[Header | Revision]:
        depth = 0
        for event, element in events:
            if event == "start":
                depth += 1
                if depth == 1:
                    yield _header(element)
                elif depth == 2:
                    section = element
                continue
            depth -= 1
            if depth == 2:
                if element.tag == "Update":
                    yield self._revision(element)
                elif element.tag == "File":
                    self.remember(_mapped(element))
                section.clear()

    def _revision(self, element: ElementTree.Element) -> Revision:
        update_id, number = element.attrib["UpdateId"], element.attrib["RevisionNumber"]
        text = element.findtext("MetaData")
        if not text:
            raise PackageError(
                "The file is corrupt and cannot be imported. Metadata was not found while parsing"
                f" the input XML for update {update_id}"
            )
        revision = update_xml.read(text, self.arrived)
        if (revision.update_id, str(revision.revision)) != (update_id.lower(), number):
            raise PackageError(f"update {update_id} does not match expected update")
        category, classification = element.find("Categories/*"), element.find("Classifications/*")
        return replace(
            revision,
            product_id=None if category is None else category.attrib["Value"].lower(),
            classification_id=(
                None if classification is None else classification.attrib["Value"].lower()
            ),
            files=tuple(map(self._whole, revision.files)),
        )

    def _whole(self, file: File) -> File:
        mapped = self.lookup(file.sha1)
        if mapped is None:
            raise PackageError("No file map in package but updates contain files")
        return replace(file, url=mapped.url, decryption_key=mapped.decryption_key)


def _header(element: ElementTree.Element) -> Header:
    if element.tag != "ExportPackage":
        raise PackageError(f"unexpected XML element {element.tag}")
    return Header(
        server_id=element.attrib["ServerID"],
        creation_time=element.attrib["CreationTime"],
        format_version=element.attrib["FormatVersion"],
        protocol_version=element.attrib["ProtocolVersion"],
    )


def _mapped(element: ElementTree.Element) -> File:
    for name in ("Digest", "MUUrl"):
        if name not in element.attrib:
            raise PackageError(f"Missing {name} attribute for file")
    return File(
        sha1=update_xml.hex_of(element.attrib["Digest"]),
        name=element.get("Name", ""),
        size_bytes=0,
        sha256=None,
        url=element.attrib["MUUrl"],
        decryption_key=element.get("DecryptionKey"),
        kind="payload",
        language=None,
        modified="",
    )
