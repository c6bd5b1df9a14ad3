"""Foreign text made visible, in one place for errors, log lines and reports.

Titles, file names, group names and messages come from servers and bundles. A control character
among them could steer a terminal, forge a log line or hide what a name ends with.
"""

from __future__ import annotations

import unicodedata

# Zero-width (non-)joiners are letters' companions in Persian and Hindi and hold emoji together.
_JOINERS = frozenset("\u200c\u200d")
# Unicode's general categories: controls (C0, DEL, C1), format characters (bidirectional overrides,
# zero-width), halves of surrogate pairs, line and paragraph separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def visible(text: str) -> str:
    """Write out what cannot be seen: ``[U+000A]`` for a line feed, ``[U+202E]`` for an override.

    Plain ASCII, so that no font or code page can lack it. Made visible twice, a text is the same.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """Make a text of several lines visible; its line feeds stay."""
    return "\n".join(map(visible, text.split("\n")))


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"[U+{ord(character):04X}]"
