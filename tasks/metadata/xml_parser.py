"""Parse untrusted XML with expat: events only, no DOCTYPE, bounded memory.

Expat keeps one tag or comment whole, the names of elements and attributes until its end, and no
more. The limits on both are checked after each piece of bytes, so a piece can exceed them once.
"""

from __future__ import annotations

from typing import Any, Protocol
from xml.parsers import expat

from tasks.metadata.limits import Limits
from tasks.metadata.model import UpdateMetadata
from tasks.metadata.update_files import Attributes, MetadataError
from tasks.metadata.update_xml import UpdateReader
from tasks.quantities import size

_TEXT_BYTES = 64 * 1024
_DECLARATION_CHARACTERS = 1_024
_DECLARATION = "<?xml "
_SPACE = " \t\r\n\ufeff"
_PROBE = b"<end/>"
# Expat and Python keep some numbers beside each name.
_NAME_CHARACTERS = 40


class XmlError(ValueError):
    """The XML is not well-formed."""


class XmlLimitError(ValueError):
    """The XML exceeds a limit of the parser."""


class Receiver(Protocol):
    """Takes the events of a parser; names have the form ``namespace local``."""

    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element."""

    def text(self, data: str) -> None:
        """Take text."""

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def doctype(self) -> None:
        """Refuse a DOCTYPE."""


class XmlParser:
    """A parser of one document that comes in pieces.

    Args:
        encoding: The encoding of the bytes; None to go by their mark or declaration.
    """

    def __init__(self, receiver: Receiver, limits: Limits, encoding: str | None = None) -> None:
        self._limits = limits
        self._receiver = receiver
        self._names: dict[str, Any] = {}
        self._counted = 0
        self._fed_bytes = 0
        parser = expat.ParserCreate(encoding, " ", self._names)
        parser.buffer_text = True
        parser.buffer_size = _TEXT_BYTES
        # Newer versions of expat wait for more bytes where a tag was cut, and report late.
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # noqa: FBT003 # it has no keyword
        parser.StartElementHandler = receiver.start
        parser.EndElementHandler = receiver.end
        parser.CharacterDataHandler = receiver.text
        # It has nothing to do: expat then adds prefixes and namespaces to the names.
        parser.StartNamespaceDeclHandler = lambda *_: None
        parser.StartDoctypeDeclHandler = lambda *_: receiver.doctype()
        self._parser = parser

    def feed(self, data: bytes) -> None:
        """Parse a piece.

        Raises:
            XmlError: It is not well-formed.
            XmlLimitError: A tag is too long, or there are too many different names.
        """
        self._parse(data, is_final=False)
        self._fed_bytes += len(data)
        # The index of the last event; expat is behind only with a tag or comment that is not whole.
        if self._fed_bytes - self._parser.CurrentByteIndex > self._limits.token_bytes:
            raise XmlLimitError(f"one tag has more than {size(self._limits.token_bytes)}")
        if len(self._names) > self._counted:
            self._counted = len(self._names)
            self._check_names()

    def flush_text(self) -> None:
        """Report the text that is buffered."""
        # Expat's buffer goes to the handler that is set, before another one replaces it.
        self._parser.CharacterDataHandler = self._receiver.text

    def is_between_tokens(self) -> bool:
        """Return True if no tag, comment or section is open; an element is fed to see it.

        Raises:
            XmlError: A tag is open.
        """
        names: list[str] = []
        self._parser.StartElementHandler = lambda name, _: names.append(name)
        self._parser.EndElementHandler = None
        self._parse(_PROBE, is_final=False)
        self._fed_bytes += len(_PROBE)
        self._parser.StartElementHandler = self._receiver.start
        self._parser.EndElementHandler = self._receiver.end
        return bool(names)

    def close(self) -> None:
        """End the document.

        Raises:
            XmlError: It is not complete.
        """
        self._parse(b"", is_final=True)

    def _parse(self, data: bytes, *, is_final: bool) -> None:
        try:
            self._parser.Parse(data, is_final)
        except expat.ExpatError as error:
            raise XmlError(expat.ErrorString(error.code)) from error
        except (XmlError, XmlLimitError, MetadataError):  # of the receiver
            raise
        except (LookupError, ValueError) as error:
            raise XmlError(f"an encoding that is not known: {str(error)[:100]}") from error

    def _check_names(self) -> None:
        characters = sum(len(name or "") + _NAME_CHARACTERS for name in self._names)
        if characters > self._limits.vocabulary_characters:
            limit = self._limits.vocabulary_characters
            raise XmlLimitError(f"its different names have more than {limit} characters")


class MetadataParser:
    """A parser of the XML of one update after another: escaped text, CDATA, or XML inside it.

    One parser takes all texts as children of one root, because making a parser takes longer than
    parsing a small update. Each update must therefore end where it began.

    Attributes:
        reader: Receives the events.
        is_inline: True while the open update's XML is not escaped.
    """

    def __init__(self, limits: Limits) -> None:
        self.reader = UpdateReader(limits)
        self._parser = XmlParser(self.reader, limits, "utf-8")
        self._parser.feed(b"<updates>")
        self._head: str | None = ""  # the beginning, while its declaration may not be complete
        self.is_inline = False

    @property
    def depth(self) -> int:
        """Number of open elements that the package's own parser reported."""
        return self.reader.depth if self.is_inline else 0

    def open(self) -> None:
        """Begin an update."""
        self.reader.open()
        self._head, self.is_inline = "", False

    def start(self, name: str, attributes: Attributes) -> None:
        """Take an element that is not escaped.

        Raises:
            MetadataError: There was text before it.
        """
        if not self.is_inline:
            if self._head is None or self._head.strip(_SPACE):
                raise MetadataError("it has both text and elements")
            self.is_inline = True
        self.reader.start(name, attributes)

    def end(self, name: str) -> None:
        """Take the end of an element that is not escaped."""
        self.reader.end(name)

    def text(self, data: str) -> None:
        """Take text: that of an element that is not escaped, or escaped XML."""
        if self.is_inline:
            self.reader.text(data)
            return
        if self._head is not None:
            data = self._without_declaration(self._head + data)
            if self._head is not None:
                return
        self._parser.feed(data.encode())

    def close(self) -> UpdateMetadata:
        """End an update and return what was read of it.

        Raises:
            MetadataError: It is empty or not complete.
            XmlError: It is not well-formed.
        """
        if not self.is_inline:
            if self._head is not None:
                if not self._head.strip(_SPACE):
                    raise MetadataError("it is empty")
                self._parser.feed(self._head.encode())
            if self.reader.depth or not self._parser.is_between_tokens():
                raise MetadataError("it is not complete")
        return self.reader.close()

    def _without_declaration(self, head: str) -> str:
        """Return the text behind an XML declaration, or keep it until it is complete."""
        text = head.lstrip(_SPACE)
        is_declared = text.startswith(_DECLARATION)
        end = text.find("?>") + 2 if is_declared else 0
        is_cut = end == 1 if is_declared else _DECLARATION.startswith(text)
        self._head = text if is_cut and len(text) < _DECLARATION_CHARACTERS else None
        return text[max(end, 0) :] if end != 1 else text
