"""Write a metadata package with the statistics of a real catalogue.

The statistics are those of the product Windows 11 on a Windows Server 2025 WSUS in October 2026:
5,253 revisions with 1,184 MB of XML, half of them below 563 bytes, 46 above 1 MB, 10 above 32 MiB,
the largest 46,887,043 bytes. Its bulk is the package tree of cumulative updates, which belongs to
their applicability rules and packs about 70:1. Names, order and namespaces are those of real
documents.

The second shape is that of Defender: many updates of 15 kB, each bundle with 38 languages.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID
from xml.sax.saxutils import escape

Shape = Literal["windows-11", "defender"]

_SPACE = "http://schemas.microsoft.com/msus/2002/12/"
_LANGUAGES = tuple(
    "en ar bg zh-tw cs da de el es fi fr he hu it ja ko nl no pl pt-br ro ru hr sk sv th tr uk sl"  # noqa: SIM905 # one line a row
    " et lv lt hi zh-cn pt sr zh-hk ja-nec".split()
)
_DETECTOIDS, _CATEGORIES, _BUNDLES, _CHILDREN = 3_710, 448, 561, 534
_TREE_BYTES = (
    46_887_043, *([41_000_000] * 9), *([20_600_000] * 36), *([700_000] * 6), *([167_067] * 92)
)  # fmt: skip


@dataclass
class Written:
    """The contents that a reader has to find.

    Attributes:
        xml_bytes: Bytes of the document that gzip contains.
        largest: Bytes of the largest update's own XML.
    """

    revisions: int = 0
    files: int = 0
    children: int = 0
    superseded: int = 0
    xml_bytes: int = 0
    largest: int = 0


def write(path: Path, shape: Shape, *, scale: float = 1.0, level: int = 6) -> Written:
    """Write a package; ``scale`` 0.1 makes a tenth of the updates."""
    generator = _Generator(random.Random(7), scale)
    written = generator.written
    with gzip.open(path, "wb", compresslevel=level) as packed:
        for part in generator.parts(shape):
            written.xml_bytes += packed.write(part)
    return written


@dataclass(frozen=True)
class _Update:
    """The contents of one update; ``tree_bytes`` is the size that its rules bring it to."""

    update_id: str
    title: str
    kind: str = "Software"
    languages: tuple[str, ...] = ("en",)
    files: tuple[tuple[str, str], ...] = ()
    children: tuple[str, ...] = ()
    superseded: tuple[str, ...] = ()
    tree_bytes: int = 0


class _Generator:
    def __init__(self, seed: random.Random, scale: float) -> None:
        self._seed = seed
        self._scale = scale
        self._files: list[tuple[str, str]] = []
        self.written = Written()
        # Runs of a few lines recur, so that the package packs as real ones do.
        self._tree = ["".join(_tree_line(seed, 5 * run + n) for n in range(5)) for run in range(3)]

    def parts(self, shape: Shape) -> Iterator[bytes]:
        """The XML of a package."""
        self._files = [self._new_file(number) for number in range(self._count(7_000))]
        yield (
            b'<?xml version="1.0" encoding="utf-8"?><ExportPackage'
            b' ServerID="0f0e0d0c-0b0a-4908-8706-050403020100" CreationTime="2026-10-05T04:05:06Z"'
            b' FormatVersion="1.0" ProtocolVersion="1.20"><Languages>'
        )
        for number, code in enumerate(_LANGUAGES):
            names = f'ShortName="{code}" LongName="{code}"'
            yield f'<Language Id="{number}" {names} Enabled="{int(code == "en")}"/>'.encode()
        yield b"</Languages><Files>"
        for digest, name in self._files:
            url = f"http://download.windowsupdate.com/c/msdownload/update/software/{name}"
            yield f'<File Digest="{digest}" MUUrl="{url}" Name="{name}"/>'.encode()
        yield b"</Files><Updates>"
        for update in self._windows() if shape == "windows-11" else self._defender():
            yield from self._element(update)
        yield b"</Updates></ExportPackage>"

    def _count(self, number: int) -> int:
        return max(1, round(number * self._scale))

    def _guid(self) -> str:
        return str(UUID(int=self._seed.getrandbits(128)))

    def _guids(self, count: int) -> tuple[str, ...]:
        return tuple(self._guid() for _ in range(count))

    def _some_files(self, count: int) -> tuple[tuple[str, str], ...]:
        return tuple(self._seed.sample(self._files, min(count, len(self._files))))

    def _new_file(self, number: int) -> tuple[str, str]:
        digest = base64.b64encode(hashlib.sha1(f"{number}".encode()).digest()).decode()
        extension = self._seed.choices(("cab", "wim", "psf", "msu"), (2114, 854, 698, 173))[0]
        return digest, f"Windows11.0-KB{5_000_000 + number}-x64_{number}.{extension}"

    def _windows(self) -> Iterator[_Update]:
        trees = list(_TREE_BYTES[:: max(1, round(1 / self._scale))])
        for number in range(self._count(_CATEGORIES)):
            yield _Update(self._guid(), f"Category {number}", kind="Category")
        for number in range(self._count(_DETECTOIDS)):
            yield _Update(self._guid(), f"Detectoid {number}", kind="Detectoid")
        children = self._guids(self._count(_CHILDREN))
        for number, update_id in enumerate(children):
            yield _Update(
                update_id, f"Child {number}", files=self._some_files(13 if number % 2 else 1),
                tree_bytes=trees[number] if number < len(trees) else 4_000,
            )  # fmt: skip
        for number in range(self._count(_BUNDLES)):
            yield _Update(
                self._guid(), f"2026-10 Cumulative Update {number} (KB{5_000_000 + number})",
                languages=_LANGUAGES, children=(children[number % len(children)],),
                superseded=self._guids(30),
            )  # fmt: skip

    def _defender(self) -> Iterator[_Update]:
        children = self._guids(self._count(8_000))
        for number, update_id in enumerate(children):
            yield _Update(
                update_id, f"Full Deltas {number} for Defender", files=self._some_files(1),
                tree_bytes=9_000,
            )  # fmt: skip
        for number in range(self._count(4_000)):
            yield _Update(
                self._guid(), f"Security Intelligence Update {number}", languages=_LANGUAGES,
                children=tuple(self._seed.sample(children, min(8, len(children)))),
                superseded=self._guids(2),
            )  # fmt: skip

    def _element(self, update: _Update) -> Iterator[bytes]:
        """One update; its tree is made in pieces, because the largest has 47 MB."""
        head = _head(update)
        tail = _files(update.files, self._seed) + _handler(update.kind) + "</upd:Update>"
        yield (
            f'<Update UpdateId="{update.update_id}" RevisionNumber="200"><Files>'
            + "".join(f'<File Digest="{digest}"/>' for digest, _ in update.files)
            + f"</Files><Categories/><Classifications/><MetaData>{escape(head)}"
        ).encode()
        size = len(head.encode()) + len(tail.encode())
        if update.tree_bytes:
            opening, closing = _RULES
            yield escape(opening).encode()
            size += len(opening) + len(closing)
            while size < update.tree_bytes:
                count = min(80, 1 + (update.tree_bytes - size) // 1_600)
                lines = "".join(self._seed.choices(self._tree, k=count))
                size += len(lines)
                yield escape(lines).encode()
            yield escape(closing).encode()
        yield f"{escape(tail)}</MetaData></Update>\n".encode()
        self._note(update, size)

    def _note(self, update: _Update, size: int) -> None:
        written = self.written
        written.revisions += 1
        written.files += len(update.files)
        written.children += len(update.children)
        written.superseded += len(update.superseded)
        written.largest = max(written.largest, size)


def _head(update: _Update) -> str:
    """The parts of an update in front of its rules."""
    shown = ' ExplicitlyDeployable="true"' if update.children else ""
    localized = "".join(_localized(update, code) for code in update.languages)
    replaced = "".join(f'<upd:UpdateIdentity UpdateID="{guid}" />' for guid in update.superseded)
    bundled = "".join(
        f'<upd:UpdateIdentity UpdateID="{child}" RevisionNumber="200" />'
        for child in update.children
    )
    bundle = f"<upd:AtLeastOne>{bundled}</upd:AtLeastOne>"
    return (
        f'<upd:Update xmlns:pub="{_SPACE}Publishing" xmlns:upd="{_SPACE}Update">'
        f'<upd:UpdateIdentity UpdateID="{update.update_id}" RevisionNumber="200" />'
        f'<upd:Properties UpdateType="{update.kind}" DefaultPropertiesLanguage="en"{shown}'
        ' PublicationState="Published" CreationDate="2026-10-04T12:00:58.287Z"'
        ' PublisherID="bccf8ca0-2819-4598-8d15-c1506e363e92"></upd:Properties>'
        f"<upd:LocalizedPropertiesCollection>{localized}</upd:LocalizedPropertiesCollection>"
        "<upd:Relationships>"
        + (f"<upd:SupersededUpdates>{replaced}</upd:SupersededUpdates>" if replaced else "")
        + '<upd:Prerequisites><upd:AtLeastOne IsCategory="true"><upd:UpdateIdentity'
        ' UpdateID="6964aab4-c5b5-43bd-a17d-ffb4346a8e1d" /></upd:AtLeastOne></upd:Prerequisites>'
        + (f"<upd:BundledUpdates>{bundle}</upd:BundledUpdates>" if bundled else "")
        + "</upd:Relationships>"
    )


def _localized(update: _Update, code: str) -> str:
    title = update.title if code == "en" else f"{update.title} ({code})"
    description = f"<upd:Description>{_DESCRIPTION}{code}.</upd:Description>"
    return (
        f"<upd:LocalizedProperties><upd:Language>{code}</upd:Language>"
        f"<upd:Title>{title}</upd:Title>{description if update.children else ''}"
        "</upd:LocalizedProperties>"
    )


_DESCRIPTION = (
    "Install this update to resolve issues in Windows. For a complete listing of the issues that"
    " are included in this update, see the associated Microsoft Knowledge Base article, in "
)
_RULES = (
    (
        "<upd:ApplicabilityRules><upd:IsInstalled><cbs:CbsPackageInstalled"
        f' xmlns:cbs="{_SPACE}UpdateHandlers/Cbs" /></upd:IsInstalled><upd:Metadata>'
        '<assembly xmlns="urn:schemas-microsoft-com:asm.v3" manifestVersion="1.0">'
    ),
    "</assembly></upd:Metadata></upd:ApplicabilityRules>",
)


def _tree_line(seed: random.Random, number: int) -> str:
    return (
        f'<update name="{5_000_000 + number}-{seed.randrange(900) + 100}_neutral_GDR"><component>'
        f'<assemblyIdentity name="Microsoft-Windows-Component-{number % 97}" version="10.0.22621.'
        f'{seed.randrange(6_000)}" processorArchitecture="amd64" language="neutral"'
        ' buildType="release" publicKeyToken="31bf3856ad364e35" versionScope="nonSxS" />'
        "</component></update>"
    )


def _files(listed: tuple[tuple[str, str], ...], seed: random.Random) -> str:
    sha256 = base64.b64encode(bytes(32)).decode()
    elements = "".join(
        f'<upd:File Digest="{digest}" DigestAlgorithm="SHA1" FileName="{name}"'
        f' Size="{seed.randrange(10**9)}" Modified="2026-10-04T09:39:26Z"'
        ' PatchingType="SelfContained"><upd:AdditionalDigest Algorithm="SHA256">'
        f"{sha256}</upd:AdditionalDigest></upd:File>"
        for digest, name in listed
    )
    return f"<upd:Files>{elements}</upd:Files>" if elements else ""


def _handler(kind: str) -> str:
    if kind != "Category":
        return ""
    return (
        '<upd:HandlerSpecificData xsi:type="cat:Category"'
        ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><cat:CategoryInformation'
        f' CategoryType="Product" xmlns:cat="{_SPACE}UpdateHandlers/Category" />'
        "</upd:HandlerSpecificData>"
    )
