"""The XML log that ``wsusutil`` writes at its end, streamed.

Export: root ``ExportLog``, an ``Update`` element per update, ``ExportError`` with ``Message``.
Import: root ``ImportLog``, ``UpdateInserted`` per update, ``ImportError`` with ``Message``.
Element names are not translated; messages are, so only the name of an element counts: any that
ends in ``Error`` is one. The log is written when the program ends, so while it runs an empty or
absent log means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lxml import etree

from tasks.metadata.xml_options import GUARDS

LogState = Literal["absent", "empty", "unreadable", "read"]
KEPT_MESSAGES = 20
_MESSAGE_LENGTH = 500
_UPDATE_ELEMENTS = frozenset({"Update", "UpdateInserted"})


@dataclass(frozen=True, slots=True)
class LogSummary:
    """What a log says.

    Attributes:
        state: Whether there is one, and whether it could be read to its end.
        root: Name of the root element; empty when none was read.
        updates: How many updates it names.
        errors: How many elements name an error.
        messages: The first of their messages; foreign text, localised.
        problem: Why it is unreadable.
    """

    state: LogState
    root: str = ""
    updates: int = 0
    errors: int = 0
    messages: tuple[str, ...] = ()
    problem: str = ""


def read_log(chunks: Iterable[bytes | memoryview] | None) -> LogSummary:
    """Read a log in constant memory; what is wrong with it stands in the summary.

    Args:
        chunks: The file's bytes in order; None when there is no file.
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
    """A log with a document type: WSUS writes none, and one can hold entities."""


class _Reader:
    def __init__(self) -> None:
        self.root = ""
        self._updates = 0
        self._errors = 0
        self._messages: list[str] = []
        self._fed = False
        self._parser = etree.XMLPullParser(events=("start", "end"), **GUARDS)

    def feed(self, chunk: bytes) -> None:
        if not self._fed and not chunk.strip():
            return
        self._fed = True
        self._parser.feed(chunk)
        self._take()

    def finish(self) -> None:
        if self._fed:
            self._parser.close()
            self._take()

    def summary(self, state: LogState, *, problem: str = "") -> LogSummary:
        return LogSummary(
            state, self.root, self._updates, self._errors, tuple(self._messages), problem
        )

    def _take(self) -> None:
        for event, element in self._events():
            if event == "start":
                if not self.root:
                    self._begin(element)
                continue
            name = etree.QName(element).localname
            self._updates += name in _UPDATE_ELEMENTS
            if name.endswith("Error"):
                self._errors += 1
                self._keep(element.get("Message") or str(element.text or ""))
            if element.getparent() is not None:
                _forget(element)

    def _events(self) -> Iterator[tuple[str, etree._Element]]:
        for event, element in self._parser.read_events():
            if isinstance(element, etree._Element) and isinstance(element.tag, str):  # noqa: SLF001  # what lxml calls an element
                yield event, element

    def _begin(self, root: etree._Element) -> None:
        if root.getroottree().docinfo.internalDTD is not None:
            raise _DoctypeError("it has a document type, which WSUS never writes")
        self.root = etree.QName(root).localname

    def _keep(self, message: str) -> None:
        if len(self._messages) < KEPT_MESSAGES:
            self._messages.append(" ".join(message.split())[:_MESSAGE_LENGTH])


def _forget(element: etree._Element) -> None:
    element.clear()
    parent = element.getparent()
    while parent is not None and (before := element.getprevious()) is not None:
        parent.remove(before)
