"""Read the XML log of ``wsusutil`` as a stream.

Export: root ``ExportLog``, an ``Update`` element per update, ``ExportError`` with ``Message``.
Import: root ``ImportLog``, ``UpdateInserted`` per update, ``ImportError`` with ``Message``.
These names are constants in the WSUS assemblies (10.0.14393) and are not translated; messages are.
Any element whose name ends in ``Error`` therefore counts as an error, whatever its message.

The log is written when the program ends (documented for ConfigMgr 2007), so an empty or absent log
means nothing while the program runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from tasks.metadata.xml_options import GUARDS

LogState = Literal["absent", "empty", "unreadable", "read"]
MOST_MESSAGES = 20
_MESSAGE_LENGTH = 500
_UPDATE_ELEMENTS = frozenset({"Update", "UpdateInserted"})


@dataclass(frozen=True, slots=True)
class LogSummary:
    """The contents of a log.

    Attributes:
        state: ``absent``: no file. ``empty``: no bytes but white space. ``unreadable``: not read to
            its end. ``read``: read to its end.
        root: Name of the root element; empty if none was read.
        updates: Number of elements that name an update.
        errors: Number of elements that name an error.
        messages: Messages of the first errors; foreign, localised text.
        problem: The parser's error if the state is ``unreadable``.
        encoding: Encoding of the document, as its mark or declaration says; empty if none was read.
    """

    state: LogState
    root: str = ""
    updates: int = 0
    errors: int = 0
    messages: tuple[str, ...] = ()
    problem: str = ""
    encoding: str = ""


def read_log(chunks: Iterable[bytes | memoryview] | None) -> LogSummary:
    """Read a log in constant memory; a broken log is reported in the summary, not raised.

    Args:
        chunks: The file's bytes in order; None if there is no file.
    """
    if chunks is None:
        return LogSummary("absent")
    reader = _Reader()
    try:
        for chunk in chunks:
            reader.feed(bytes(chunk))
        reader.finish()
    except (etree.XMLSyntaxError, _DoctypeError) as error:
        return reader.summary("unreadable", problem=str(error))
    return reader.summary("read" if reader.root else "empty")


class _DoctypeError(Exception):
    """A log with a document type, which WSUS never writes and which could define entities."""


class _Reader:
    def __init__(self) -> None:
        self.root = ""
        self._encoding = ""
        self._updates = 0
        self._errors = 0
        self._messages: list[str] = []
        self._has_content = False
        self._parser = etree.XMLPullParser(events=("start", "end"), **GUARDS)

    def feed(self, chunk: bytes) -> None:
        if not self._has_content and not chunk.strip():
            return
        self._has_content = True
        self._parser.feed(chunk)
        self._read_events()

    def finish(self) -> None:
        if self._has_content:
            self._parser.close()
            self._read_events()

    def summary(self, state: LogState, *, problem: str = "") -> LogSummary:
        return LogSummary(
            state,
            self.root,
            self._updates,
            self._errors,
            tuple(self._messages),
            problem,
            self._encoding,
        )

    def _read_events(self) -> None:
        for event, element in self._events():
            if event == "start":
                if not self.root:
                    self._begin(element)
                continue
            name = etree.QName(element).localname
            self._updates += name in _UPDATE_ELEMENTS
            if name.endswith("Error"):
                self._errors += 1
                self._add_message(element.get("Message") or str(element.text or ""))
            if element.getparent() is not None:
                _discard(element)

    def _events(self) -> Iterator[tuple[str, etree._Element]]:
        for event, element in self._parser.read_events():
            # lxml's type of an element has no public name.
            if isinstance(element, etree._Element) and isinstance(element.tag, str):  # noqa: SLF001
                yield event, element

    def _begin(self, root: etree._Element) -> None:
        if root.getroottree().docinfo.internalDTD is not None:
            raise _DoctypeError("it has a document type, which WSUS never writes")
        self.root = etree.QName(root).localname
        self._encoding = (root.getroottree().docinfo.encoding or "").lower()

    def _add_message(self, message: str) -> None:
        if len(self._messages) < MOST_MESSAGES:
            self._messages.append(" ".join(message.split())[:_MESSAGE_LENGTH])


def _discard(element: etree._Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        parent.remove(before)
