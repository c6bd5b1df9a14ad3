"""The metadata package (``.xml.gz``) as ``export`` writes it; ``package_reader`` reads it."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.store.languages import Language
from deploy.lab.store.records import File, Revision
from deploy.lab.wsusutil import update_xml

FORMAT_VERSION = "1.0"
# More saves a little room and takes several times as long.
_LEVEL = 6


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
        languages: Each with True if the language is enabled.
        document: Gives the XML of a revision in pieces.
    """

    header: Header
    languages: Iterable[tuple[Language, bool]]
    files: Iterable[File]
    revisions: Iterable[Revision]
    document: Callable[[Revision], Iterable[str]] = update_xml.parts


def write(path: Path, contents: Contents, *, encoding: str = "utf-8", further: str = "") -> None:
    """Write a package as a stream.

    Args:
        path: The package.
        contents: What it holds.
        encoding: Encoding of its document.
        further: XML at the beginning of every update, for a form that nobody has described.

    Raises:
        OSError: The package cannot be written, or it exists.
    """
    with (
        path.open("xb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=_LEVEL) as packed,
    ):
        text = io.TextIOWrapper(packed, encoding, newline="\n")
        for part in _parts(contents, encoding, further):
            text.write(part)
        text.flush()
        text.detach()


def _parts(contents: Contents, encoding: str, further: str) -> Iterator[str]:
    header = contents.header
    yield f'<?xml version="1.0" encoding="{encoding}"?>\n'
    yield (
        f'<ExportPackage ServerID="{header.server_id}" CreationTime="{header.creation_time}"'
        f' FormatVersion="{header.format_version}" ProtocolVersion="{header.protocol_version}">\n'
    )
    yield "<Languages>\n"
    for language, enabled in contents.languages:
        yield (
            f'<Language Id="{language.number}" ShortName="{language.code}"'
            f' LongName="{language.name}" Enabled="{int(enabled)}" />\n'
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
    for revision in contents.revisions:
        yield _entry(revision, further)
        yield from map(update_xml.escape, contents.document(revision))
        yield "</MetaData></Update>\n"
    yield "</Updates>\n</ExportPackage>\n"


def _entry(revision: Revision, further: str) -> str:
    """An update of the package, up to its own XML."""
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
        f'<Update UpdateId="{revision.update_id}" RevisionNumber="{revision.revision}">{further}'
        f"<Files>{files}</Files><Categories>{category}</Categories>"
        f"<Classifications>{classification}</Classifications><MetaData>"
    )
