"""Leave the needless parts of updates out of a package's XML before it is parsed.

Applicability rules are almost all of a package: one cumulative update carries 47 MB of them. Titles
and descriptions in 38 languages are most of the rest. Nobody here needs them, and a parser is some
twenty times slower than the search for their end tag.

The filter drops bytes only after one tag has changed the answer of the update's reader to: the rest
of this element is needless. From there on it looks for the end tag with the name of that element.
In XML a bare ``<`` begins a tag, a comment, a CDATA section or an instruction and nothing else, and
in escaped text the same holds for ``&lt;``. So the end tag is exact as long as comments, sections
and instructions are jumped over and nested elements of that name are counted, which this does. Not
checked is whether the rest is well-formed: it is WSUS's to read.

Parts inside a CDATA section, or written otherwise (``&#60;``, UTF-16), are not recognised and go to
the parser, which is slower and gives the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

RULES = "ApplicabilityRules"
TEXTS = "LocalizedPropertiesCollection"

# Names whose tags can end what is needed, each with True if it is the end tag.
_SIGNS = {RULES.encode(): False, b"LocalizedProperties": True}
_BEFORE = re.compile(rb"(<|&lt;)(/?)([A-Za-z_][\w.-]{0,60}:)?\Z")
_NAME_CHARACTER = re.compile(rb"[\w.:-]")
# Bytes before a name that belong to its tag: "&lt;/" and the longest prefix that is recognised.
_BEFORE_BYTES = 5 + 62
# Bytes that are always kept for the next piece, so that nothing that is searched for is cut.
_TAIL_BYTES = _BEFORE_BYTES + max(len(RULES), len(TEXTS)) + 5
_LONGEST_TAG = 8 * 1024


class FilterError(ValueError):
    """A needless part does not end, or has a DOCTYPE; the caller adds update and package."""


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write markup: as it is, or escaped."""

    less: bytes
    ends: tuple[bytes, ...]

    def jumps(self) -> dict[bytes, tuple[bytes, ...]]:
        """Beginnings of what can contain any text, and the ends of each."""
        return {
            self.less + b"!--": tuple(b"--" + end for end in self.ends),
            self.less + b"![CDATA[": tuple(b"]]" + end for end in self.ends),
            self.less + b"?": tuple(b"?" + end for end in self.ends),
        }


_FORMS = {b"<": _Form(b"<", (b">",)), b"&lt;": _Form(b"&lt;", (b"&gt;", b">"))}
_JUMPS = {less: form.jumps() for less, form in _FORMS.items()}


@dataclass(slots=True)
class _Part:
    """The rest of an element, which is being left out.

    Attributes:
        name: Local name of the element.
        prefix: The prefix of the tag with its colon, or empty.
        nested: Number of open elements of the same name inside.
        until: Ends of the comment, section or instruction that the position is in.
    """

    name: bytes
    form: _Form
    prefix: bytes
    nested: int = 0
    until: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tag:
    """A tag between two positions; ``is_cut`` if its end has not come."""

    begin: int
    end: int
    form: _Form
    prefix: bytes
    is_cut: bool


class XmlFilter:
    """A filter between the bytes of a package and its parser.

    Args:
        parse: Takes bytes; everything they contain is reported before it returns.
        find_needless: Tells the local name of the open element whose rest nobody needs, judged by
            the last thing that was reported; "" if there is none. It is told whether the tag is
            escaped.
    """

    def __init__(
        self, parse: Callable[[bytes], None], find_needless: Callable[[bool], str]
    ) -> None:
        self._parse = parse
        self._find_needless = find_needless
        self._rest = b""
        self._part: _Part | None = None
        self._signs: dict[bytes, int] = {}  # the next position of each name in the bytes

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; the last few are kept until more come.

        Raises:
            FilterError: The part does not end, or holds a DOCTYPE.
        """
        data, self._rest = self._rest + piece, b""
        at: int | None = 0
        self._signs = dict.fromkeys(_SIGNS, -1)
        while at is not None:
            at = self._pass_on(data, at) if self._part is None else self._skip(data, at)

    def close(self) -> None:
        """Pass on what was kept.

        Raises:
            FilterError: A part does not end.
        """
        if self._part is not None:
            raise FilterError(f"its {self._part.name.decode()} does not end")
        self._parse(self._rest)

    def _pass_on(self, data: bytes, begin: int) -> int | None:
        """Parse up to the first tag behind which something is needless.

        It returns the position behind that tag, or None if all of the bytes are used or kept.
        """
        at = begin
        while (tag := self._find_tag(data, at)) is not None:
            at = tag.end
            if tag.is_cut:
                self._pass_and_keep(data, begin, tag.begin)
                return None
            # In two steps, because the parser must change its mind by this tag alone: inside a
            # comment, for example, what looks like a tag is none.
            is_escaped = tag.form.less != b"<"
            self._parse(data[begin : tag.begin])
            was_needless = self._find_needless(is_escaped)
            self._parse(data[tag.begin : tag.end])
            needless = self._find_needless(is_escaped)
            begin = tag.end
            if needless and not was_needless:
                self._part = _Part(needless.encode(), tag.form, tag.prefix)
                return begin
        self._pass_and_keep(data, begin, len(data) - _TAIL_BYTES)
        return None

    def _find_tag(self, data: bytes, begin: int) -> _Tag | None:
        """Find the next tag behind which something may be needless."""
        at = begin
        while True:
            for sign, position in self._signs.items():
                if position < at:
                    following = data.find(sign, at)
                    self._signs[sign] = following if following >= 0 else len(data)
            name = min(self._signs, key=self._signs.__getitem__)
            at = self._signs[name]
            if at == len(data):
                return None
            before = _BEFORE.search(data, max(begin, at - _BEFORE_BYTES), at)
            at += len(name)
            if before is None or bool(before[2]) != _SIGNS[name]:
                continue
            form = _FORMS[before[1]]
            end = _find_first(data, form.ends, at)
            if end is None and len(data) - at > _LONGEST_TAG:
                continue
            tag = _Tag(before.start(), end or at, form, before[3] or b"", is_cut=end is None)
            # Behind most of these tags the element ends at once, and nothing can be left out.
            if not (before[2] and data.startswith(form.less + b"/", tag.end)):
                return tag

    def _pass_and_keep(self, data: bytes, begin: int, end: int) -> None:
        if end > begin:
            self._parse(data[begin:end])
        self._rest = data[max(begin, end) :]

    def _skip(self, data: bytes, begin: int) -> int | None:
        """Leave out bytes up to the end tag or a jump; return the position, or None at the end."""
        part = self._part
        assert part is not None  # noqa: S101 # the caller has looked
        if part.until:
            end = _find_first(data, part.until, begin)
            self._require_text(data, begin, len(data) if end is None else end)
            if end is None:
                self._keep(data, begin, len(data))
                return None
            part.until = ()
            return end
        name = data.find(part.name, begin)
        stop = name if name >= 0 else len(data)
        self._require_text(data, begin, stop)
        at = _find_declaration(data, part.form.less, begin, stop)
        if at is not None:
            return self._jump(data, at, part)
        if name < 0 or name + len(part.name) == len(data):
            self._keep(data, begin, stop)
            return None
        return self._meet_name(data, name, part)

    def _keep(self, data: bytes, begin: int, end: int) -> None:
        """Keep the bytes around ``end``, which the next piece may complete."""
        self._rest = data[max(begin, end - _TAIL_BYTES) :]

    def _require_text(self, data: bytes, begin: int, end: int) -> None:
        """Refuse markup of the package inside rules that are escaped: their text ends there."""
        part = self._part
        if part is not None and part.form.less != b"<" and data.find(b"<", begin, end) >= 0:
            raise FilterError(f"its {part.name.decode()} does not end")

    def _jump(self, data: bytes, at: int, part: _Part) -> int | None:
        """Begin a comment, section or instruction."""
        for opening, ends in _JUMPS[part.form.less].items():
            if data.startswith(opening, at):
                part.until = ends
                return at + len(opening)
        if len(data) - at < _TAIL_BYTES:
            self._keep(data, at, at)
            return None
        raise FilterError(
            f"its {part.name.decode()} has a declaration, which no document of WSUS has"
        )

    def _meet_name(self, data: bytes, name: int, part: _Part) -> int | None:
        """Look whether a name belongs to the end tag, or to an element of the same name inside."""
        after = name + len(part.name)
        closing = part.form.less + b"/" + part.prefix
        opening = part.form.less + part.prefix
        if _NAME_CHARACTER.match(data, after):
            return after
        if data.endswith(closing, 0, name):
            if part.nested == 0:
                self._part = None
                return name - len(closing)
            part.nested -= 1
        elif data.endswith(opening, 0, name):
            end = _find_first(data, part.form.ends, after)
            if end is None:
                self._rest = data[name - len(opening) :]
                return None
            part.nested += not data[after:end].rstrip(b">").removesuffix(b"&gt;").endswith(b"/")
        return after


def _find_first(data: bytes, needles: tuple[bytes, ...], begin: int) -> int | None:
    """Find the first end of any needle."""
    ends = [at + len(needle) for needle in needles if (at := data.find(needle, begin)) >= 0]
    return min(ends, default=None)


def _find_declaration(data: bytes, less: bytes, begin: int, end: int) -> int | None:
    """Find the first ``<!`` or ``<?``, in the form that ``less`` has."""
    positions = (
        data.find(less + sign, begin, end)
        for sign in (b"!", b"?")
        # Both signs are rare, and one byte is found much faster than five.
        if data.find(sign, begin, end) >= 0
    )
    return min((at for at in positions if at >= 0), default=None)
