"""The error reference of WSUS, and the search in it.

``explain`` prints what it finds; the findings of a check carry the ids of its entries.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

from tasks.checks import (
    reference_content,
    reference_events,
    reference_network,
    reference_tls,
    reference_upstream,
)
from tasks.checks.reference_entry import ErrorEntry, SyncError

# In the order in which causes are named: an endpoint that is gone explains whatever the network
# said about it. The search sorts by severity and depth first.
REFERENCE: tuple[ErrorEntry, ...] = (
    *reference_tls.ENDPOINT,
    *reference_content.DISCONNECTED,
    *reference_tls.CERTIFICATES,
    *reference_tls.TLS,
    *reference_network.PROXY,
    *reference_network.NETWORK,
    *reference_events.SERVER,
    *reference_upstream.UPSTREAM,
    *reference_content.SYNCHRONISED,
    *reference_events.SYNCHRONISATION,
    *reference_content.CONTENT,
)

_BY_ID = {entry.id: entry for entry in REFERENCE}
_GAP = " … "
_SPELLINGS = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "‑": "-"})
# None of them is part of a GUID, a digest, a version or a longer number.
_HEX_CODE = re.compile(r"(?<![\w-])(?:0x|&h)?([0-9a-f]{8})(?!\w|-[0-9a-f]{4}-)")
_DECIMAL_CODE = re.compile(r"(?<![\w.-])(-\d{9,10}|\d{10})(?!\w|[.-]\d)")
_HTTP_STATUS = re.compile(r"\bhttp(?: error)?(?: status)?(?: code)? ?[:=]? ?(\d{3})\b|\((\d{3})\)")
_EVENT_ID = re.compile(r"\b(?:event|ereignis)[ -]?(?:ids?|kennung)? ?[:=#]? ?(\d{3,5})\b")
_SYNC_VALUE = re.compile(r"\bsynchronizationerror ?[:=.]? ?(\d{1,2})\b")
_BARE_NUMBER = re.compile(r"(?<![\w.:-])(\d{3,5})(?![\w:-])(?!\.\d)")
# In more words than these a number is more likely a count or a line than a code.
_WORDS_WITH_BARE_NUMBERS = 8
_COMMON_WORDS = frozenset({"Unknown", "NotApplicable"})


@dataclass(frozen=True, slots=True)
class Match:
    """An entry of the reference that answers a text.

    Attributes:
        entry: The entry.
        seen: The codes, ids, names and phrases that the text has in common with it.
        texts: What the events and values among them mean, one sentence each.
    """

    entry: ErrorEntry
    seen: tuple[str, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Signals:
    """Everything in a text that can be looked up; ``text`` is normalised."""

    text: str
    codes: frozenset[int]
    http: frozenset[int]
    events: frozenset[int]
    sync_values: frozenset[int]
    is_question: bool


def entry_of(entry_id: str) -> ErrorEntry:
    """Return the entry of an id.

    Raises:
        KeyError: There is none.
    """
    return _BY_ID[entry_id]


def find_in_question(text: str) -> tuple[Match, ...]:
    """Entries for what a person typed: a code, a line of a log, several of them, or words.

    Args:
        text: Foreign text of any length.

    Returns:
        The gravest first, among equals those that name a cause; empty when there is none.
    """
    return _find(_signals(text, is_question=True))


def find_in_message(text: str) -> tuple[Match, ...]:
    """Entries for a message of a log or an event: the same without words that only people use."""
    return _find(_signals(text, is_question=False))


def _find(signals: _Signals) -> tuple[Match, ...]:
    ranked = [
        (entry.severity, entry.depth != "cause", order, match)
        for order, entry in enumerate(REFERENCE)
        if (match := _match(entry, signals)) is not None
    ]
    return tuple(match for *_, match in sorted(ranked, key=lambda rank: rank[:3]))


def _match(entry: ErrorEntry, signals: _Signals) -> Match | None:
    events = [event for event in entry.events if event.id in signals.events]
    errors = [error for error in entry.sync_errors if _names(signals, error)]
    seen = (
        *(f"0x{code:08X}" for code in entry.codes if code in signals.codes),
        *(f"HTTP {status}" for status in entry.http if status in signals.http),
        *(f"event {event.id}" for event in events),
        *(error.name for error in errors),
        *_first_phrase(signals, entry),
    )
    if not seen:
        return None
    texts = (
        *(f"Event {event.id}: {event.text}" for event in events),
        *(f"{error.name} ({error.value}): {error.text}" for error in errors),
    )
    return Match(entry, seen, texts)


def _signals(text: str, *, is_question: bool) -> _Signals:
    normal = _normalised(text)
    http = frozenset(_numbers(_HTTP_STATUS, normal))
    events = frozenset(_numbers(_EVENT_ID, normal))
    bare = frozenset[int]()
    if is_question and len(normal.split()) <= _WORDS_WITH_BARE_NUMBERS:
        bare = frozenset(_numbers(_BARE_NUMBER, normal)) - http - events
    return _Signals(
        text=normal,
        codes=frozenset(_codes(normal)),
        http=http | bare,
        events=events | bare,
        sync_values=frozenset(_numbers(_SYNC_VALUE, normal)),
        is_question=is_question,
    )


def _normalised(text: str) -> str:
    """Text in which capitals, quotation marks, blanks and British spelling do not matter."""
    folded = " ".join(text.translate(_SPELLINGS).casefold().split())
    return folded.replace("synchronis", "synchroniz")


def _codes(text: str) -> Iterator[int]:
    """HRESULTs in every spelling, unsigned."""
    yield from (int(digits, 16) for digits in _HEX_CODE.findall(text))
    yield from (int(digits) & 0xFFFF_FFFF for digits in _DECIMAL_CODE.findall(text))


def _numbers(pattern: re.Pattern[str], text: str) -> Iterator[int]:
    for match in pattern.finditer(text):
        yield from (int(digits) for digits in match.groups() if digits)


def _names(signals: _Signals, error: SyncError) -> bool:
    name = error.name.casefold()
    if error.value in signals.sync_values or signals.text == name:
        return True
    if name not in signals.text:
        return False
    context = r"synchronizationerror ?[:=.]? ?" if error.name in _COMMON_WORDS else ""
    return re.search(rf"\b{context}{name}\b", signals.text) is not None


def _first_phrase(signals: _Signals, entry: ErrorEntry) -> tuple[str, ...]:
    phrases = (*entry.phrases, *(entry.questions if signals.is_question else ()))
    return tuple(islice((phrase for phrase in phrases if _has(signals.text, phrase)), 1))


def _has(text: str, phrase: str) -> bool:
    parts = _parts(phrase)
    if not all(part in text for part in parts):  # a log has millions of messages without
        return False
    return len(parts) == 1 or _with_gaps(parts).search(text) is not None


@cache
def _parts(phrase: str) -> tuple[str, ...]:
    return tuple(_normalised(part) for part in phrase.split(_GAP))


@cache
def _with_gaps(parts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(r".{0,80}?".join(map(re.escape, parts)))
