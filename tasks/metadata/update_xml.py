"""Read the XML of one update from parser events: the part of Microsoft's schema that is needed.

Only elements in the namespace of the update's root are read, usually
``http://schemas.microsoft.com/msus/2002/12/Update``; rules and handlers use the same element names
in other namespaces. No element is kept, so memory does not grow with an update.

The names of identity, properties, titles, relationships and files are those of real documents. No
real document with licence terms is public. Therefore they are taken from every place where public
material has them (``tasks/metadata/license_files.py``). ``PatchingType`` ``Express`` and ``.psf``
as the signs of an express file are inferred.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, partial

from tasks.metadata import license_files
from tasks.metadata.limits import Limits
from tasks.metadata.model import BundledChild, DescribedFile, UpdateMetadata
from tasks.metadata.update_files import (
    Attributes,
    MetadataError,
    MetadataLimitError,
    OpenFile,
    described,
    language,
    word,
)
from tasks.metadata.xml_filter import RULES, TEXTS

_GUID = re.compile(r"\{?[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?")
_KB_NUMBER = re.compile(r"(?:KB)?(\d{5,8})", re.IGNORECASE)
_CVE = re.compile(r"CVE-\d{4}-\d{4,7}", re.ASCII | re.IGNORECASE)
_KB_IN_TITLE = re.compile(r"\bKB(\d{5,8})\b", re.IGNORECASE)
TITLE_CHARACTERS = 1_000
_DEFAULT_LANGUAGE = "DefaultPropertiesLanguage"
# More text than this is read of no element; a title may be indented and is cut afterwards.
_TEXT_CHARACTERS = 16 * TITLE_CHARACTERS
ANY_LANGUAGE = frozenset({"", "all", "neutral"})


@dataclass(slots=True)
class _Read:
    """The parts of one update that were read so far."""

    identity: tuple[bytes, int] | None = None
    properties: Attributes = field(default_factory=dict)
    kb: str = ""
    languages: set[str] = field(default_factory=set)
    titles: dict[str, str] = field(default_factory=dict)
    files: list[DescribedFile] = field(default_factory=list)
    bundled: list[BundledChild] = field(default_factory=list)
    supersedes: set[bytes] = field(default_factory=set)
    requires: set[bytes] = field(default_factory=set)
    cves: set[str] = field(default_factory=set)


_Begin = Callable[["UpdateReader", Attributes], None]
_End = Callable[["UpdateReader", str], None]


@dataclass(slots=True)
class _Node:
    """An element that is read, and its children that are read."""

    begin: _Begin | None = None
    end: _End | None = None
    children: dict[str, _Node] = field(default_factory=dict)


class UpdateReader:
    """A receiver of parser events, for one update after another.

    Between ``open`` and ``close`` it takes ``start``, ``text`` and ``end`` as a parser reports the
    XML inside ``MetaData``. Names have the form ``namespace local``.

    Attributes:
        depth: Number of open elements.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._stack: list[_Node] = []
        self._skipped = 0  # depth inside an element that is not read
        self._parts: list[str] = []
        self._read = _Read()
        self._rules_name = ""
        self._has_begun = False
        self._language, self._title = "", ""
        self._file: OpenFile | None = None
        self._entries = 0
        self.depth = 0
        self._is_rules = False  # the last event is the start of the update's rules
        self._texts: _Node | None = None

    def needless(self) -> str:
        """Return the local name of the open element whose rest is not needed; "" if none is.

        These are the rules of the update, and the texts in other languages once its title is known.
        Texts of an update with licence terms are all read, since these may be among them.
        """
        if self._skipped == 1 and self._is_rules:
            return RULES
        if self._skipped or not self._stack or self._stack[-1] is not self._texts:
            return ""
        properties = self._read.properties
        is_titled = bool(self._read.titles.get(language(properties.get(_DEFAULT_LANGUAGE, ""))))
        return TEXTS if is_titled and "EulaID" not in properties else ""

    def open(self) -> None:
        """Begin an update."""
        self._stack, self._skipped, self._parts = [], 0, []
        self._read, self._file = _Read(), None
        self._has_begun, self._is_rules, self.depth, self._entries = False, False, 0, 0

    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element.

        Raises:
            MetadataError: An identity is no GUID.
            MetadataLimitError: The elements are too deep, or one kind of them is too frequent.
        """
        self.depth += 1
        if self.depth > self._limits.depth:
            raise MetadataLimitError(f"it is deeper than {self._limits.depth} elements")
        if self._skipped:
            self._skipped += 1
            self._is_rules = False
            return
        if not self._stack and self._begin(name):
            return
        node = self._stack[-1].children.get(name)
        if node is None:
            self._skipped = 1
            self._is_rules = name == self._rules_name and len(self._stack) == 1
            return
        self._stack.append(node)
        self._parts = []
        if node.begin is not None:
            node.begin(self, attributes)

    def text(self, data: str) -> None:
        """Take text."""
        if not self._skipped and len(self._parts) < _TEXT_CHARACTERS:
            self._parts.append(data[:_TEXT_CHARACTERS])

    def doctype(self) -> None:
        """Refuse a DOCTYPE; inside the root that updates share the parser itself refuses it."""
        raise MetadataError("it has a DOCTYPE")

    def end(self, _name: str) -> None:
        """Take the end of an element.

        Raises:
            MetadataError: A file has no SHA-1.
            MetadataLimitError: The update has too many entries.
        """
        self.depth -= 1
        if self.depth < 0:
            raise MetadataError("it ends an element that it did not begin")
        if self._skipped:
            self._skipped -= 1
            return
        if self.depth == 0 and len(self._stack) == 1:
            self._stack = [_Node()]  # the root has ended; nothing behind it is read
            return
        node = self._stack.pop()
        if node.end is not None:
            node.end(self, "".join(self._parts)[:_TEXT_CHARACTERS].strip())
        self._parts = []

    def close(self) -> UpdateMetadata:
        """End an update and return what was read of it.

        Raises:
            MetadataError: There was no element.
        """
        if not self._has_begun:
            raise MetadataError("it holds no element")
        read = self._read
        properties = read.properties
        title = _choose_title(read.titles, properties.get(_DEFAULT_LANGUAGE, ""))
        license_id = word(properties.get("EulaID", ""))
        return UpdateMetadata(
            identity=read.identity,
            title=title,
            kb=_kb(read.kb, title),
            update_type=word(properties.get("UpdateType", "")),
            severity=word(properties.get("MsrcSeverity", "")),
            publication=word(properties.get("PublicationState", "")),
            created=word(properties.get("CreationDate", "")),
            is_deployable=properties.get("ExplicitlyDeployable", "").lower() in {"true", "1"},
            license_id=license_id,
            languages=frozenset(read.languages) - ANY_LANGUAGE,
            files=tuple(license_files.recognise(read.files, has_license=bool(license_id))),
            bundled=tuple(read.bundled),
            supersedes=frozenset(read.supersedes),
            requires=frozenset(read.requires),
            cves=frozenset(read.cves),
        )

    def _begin(self, name: str) -> bool:
        """Take the first element; return True if it is the update's root.

        Without a root of its own, the parts of the update are children of MetaData.
        """
        self._has_begun = True
        space, separator, local = name.rpartition(" ")
        self._rules_name = space + separator + RULES
        node = _update_node(space + separator)
        self._stack, self._texts = [node], node.children[space + separator + TEXTS]
        return local == "Update"

    def _count(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise MetadataLimitError(f"it has more than {self._limits.entries} entries")

    # What follows is called by the nodes.

    def take_identity(self, attributes: Attributes) -> None:
        """Take the update's own identity."""
        self._read.identity = (_guid(attributes), _revision_number(attributes))

    def take_properties(self, attributes: Attributes) -> None:
        """Take the attributes of ``Properties``."""
        self._read.properties = attributes

    def take_kb(self, text: str) -> None:
        """Take a KB number; the first one counts."""
        self._read.kb = self._read.kb or text

    def take_cve(self, text: str) -> None:
        """Take a CVE number; text that is none is passed over."""
        self._count()
        if _CVE.fullmatch(text):
            self._read.cves.add(text.upper())

    def take_language(self, text: str) -> None:
        """Take a language of the update."""
        self._count()
        self._read.languages.add(language(text))

    def begin_localized(self, _attributes: Attributes) -> None:
        """Begin the texts of one language."""
        self._language, self._title = "", ""

    def take_localized_language(self, text: str) -> None:
        """Take the language of localised texts."""
        self._language = self._language or language(text)

    def take_title(self, text: str) -> None:
        """Take a localised title."""
        self._title = self._title or text[: 4 * TITLE_CHARACTERS]

    def end_localized(self, _text: str) -> None:
        """End the texts of one language."""
        self._count()
        self._read.titles.setdefault(self._language, self._title)
        self._language = ""

    def take_prerequisite(self, attributes: Attributes) -> None:
        """Take an update that has to be installed before, or a category."""
        self._count()
        self._read.requires.add(_guid(attributes))

    def take_superseded(self, attributes: Attributes) -> None:
        """Take an update that this one replaces."""
        self._count()
        self._read.supersedes.add(_guid(attributes))

    def take_child(self, attributes: Attributes) -> None:
        """Take a bundled child; without a revision number it is the latest one."""
        self._count()
        number = _revision_number(attributes) or None
        self._read.bundled.append(BundledChild(_guid(attributes), number))

    def begin_file(self, attributes: Attributes) -> None:
        """Begin a file of the update."""
        self._file = OpenFile(attributes, is_license=False)

    def begin_license(self, attributes: Attributes) -> None:
        """Begin a file with licence terms; inside localised texts it has their language."""
        self._file = OpenFile(attributes, is_license=True, language=self._language)

    def begin_digest(self, attributes: Attributes) -> None:
        """Begin another digest of the open file."""
        if self._file is not None:
            self._file.digests[attributes.get("Algorithm", "").upper()] = ""

    def take_digest(self, text: str) -> None:
        """Take the text of another digest."""
        if self._file is not None:
            self._file.digests[next(reversed(self._file.digests))] = text

    def begin_file_language(self, attributes: Attributes) -> None:
        """Take the language of a file from an attribute, as the offline scan file has it."""
        if self._file is not None:
            self._file.language = attributes.get("Name", "") or self._file.language

    def take_file_language(self, text: str) -> None:
        """Take the language of a file from text."""
        if self._file is not None:
            self._file.language = text or self._file.language

    def end_file(self, _text: str) -> None:
        """End a file."""
        self._count()
        if self._file is not None:
            self._read.files.append(described(self._file, self._limits))
        self._file = None


@lru_cache(maxsize=16)
def _update_node(space: str) -> _Node:
    """Make the tree of the elements that are read, in one namespace."""

    def node(begin: _Begin | None = None, end: _End | None = None, /, **children: _Node) -> _Node:
        return _Node(begin, end, {space + name: child for name, child in children.items()})

    reader = UpdateReader

    def identities(take: _Begin) -> _Node:
        identity = node(take)
        return node(UpdateIdentity=identity, AtLeastOne=node(UpdateIdentity=identity))

    file, licenses = _file_nodes(space)
    localized = node(
        reader.begin_localized,
        reader.end_localized,
        Language=node(None, reader.take_localized_language),
        Title=node(None, reader.take_title),
        **licenses,
    )
    return node(
        UpdateIdentity=node(reader.take_identity),
        Properties=node(
            reader.take_properties,
            None,
            CveID=node(None, reader.take_cve),
            KBArticleID=node(None, reader.take_kb),
            Language=node(None, reader.take_language),
            **licenses,
        ),
        LocalizedPropertiesCollection=node(LocalizedProperties=localized),
        Relationships=node(
            Prerequisites=identities(reader.take_prerequisite),
            SupersededUpdates=identities(reader.take_superseded),
            BundledUpdates=identities(reader.take_child),
        ),
        Files=node(File=file, **licenses),
        **licenses,
    )


def _file_nodes(space: str) -> tuple[_Node, dict[str, _Node]]:
    """Make the node of a file, and the nodes that have licence terms wherever they are."""
    node, reader = partial(_node, space), UpdateReader
    inside = {
        "AdditionalDigest": node(reader.begin_digest, reader.take_digest),
        "Language": node(reader.begin_file_language, reader.take_file_language),
    }
    file = node(reader.begin_file, reader.end_file, **inside)
    terms = node(reader.begin_license, reader.end_file, **inside)
    return file, {"EulaFiles": node(File=terms, EulaFile=terms), "EulaFile": terms}


def _node(
    space: str, begin: _Begin | None = None, end: _End | None = None, /, **children: _Node
) -> _Node:
    return _Node(begin, end, {space + name: child for name, child in children.items()})


def _choose_title(titles: dict[str, str], default_language: str) -> str:
    for code in (language(default_language), "en", *titles):
        if title := titles.get(code):
            # Reports show a title on one line; the limit stops one update from filling a report.
            return " ".join(title.split())[:TITLE_CHARACTERS]
    return ""


def _kb(article: str, title: str) -> str:
    match = _KB_NUMBER.fullmatch(article) or _KB_IN_TITLE.search(title)
    return f"KB{match[1]}" if match else ""


def _revision_number(attributes: Attributes) -> int:
    """Read the revision number; 0 if it is missing or not a number."""
    number = attributes.get("RevisionNumber", "")
    return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0


def _guid(attributes: Attributes) -> bytes:
    text = attributes.get("UpdateID", "").strip()
    if _GUID.fullmatch(text) is None:
        raise MetadataError(f"an UpdateIdentity names {text[:60]!r}, which is no GUID")
    return bytes.fromhex(text.strip("{}").replace("-", ""))
