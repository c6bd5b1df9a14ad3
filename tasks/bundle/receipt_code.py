"""A receipt as a code that a person reads out or types, for sites that let no data out.

The code has 19 Crockford characters, written in groups: 16 characters for a keyed BLAKE3 of 80
bits over bundle and outcome, one character for the outcome, and two check characters against
typing errors. Without the secret the code reveals nothing but the outcome, and it matches only the
bundle and outcome that it was made for. Case, spaces, dashes, and the letters that look like
digits (O, I, L) do not matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest

from blake3 import blake3

from tasks.bundle.canonical import canonical_json
from tasks.bundle.receipt import Receipt, ReceiptOutcome
from tasks.content.names import Blake3
from tasks.errors import UsageError
from tasks.refusals import ChainError

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_LOOK_ALIKE = str.maketrans("OIL", "011", " -\t\r\n")
_PROOF_LETTERS = 16
_LENGTH = _PROOF_LETTERS + 3
_MISTYPED_LETTERS = 3
TYPED_LIMIT_CHARACTERS = 200
# The largest prime below 1,024: any one wrong letter, and any two neighbours that were swapped,
# change the remainder.
_MODULUS = 1_021
_TYPE = "wsus-airgap receipt code 1"
_TYPE_AGAIN = "Compare the code with the receipt, group by group, and type it again."
_LETTERS: dict[ReceiptOutcome, str] = {"complete": "C", "partial": "P", "unlisted": "N"}


@dataclass(frozen=True, slots=True)
class AwaitedBundle:
    """A sealed bundle that waits for a receipt; its receipt code is computed from these fields."""

    site: str
    chain: str
    sequence: int
    header_digest: Blake3


@dataclass(frozen=True, slots=True)
class MatchedCode:
    """The bundle that a typed code belongs to. Only ``complete`` may move the baseline."""

    awaited: AwaitedBundle
    outcome: ReceiptOutcome


def make_code(receipt: Receipt, secret: bytes) -> str:
    """Return the code of a receipt, in groups of four characters.

    Args:
        receipt: The receipt.
        secret: The site's receipt secret, 32 bytes.
    """
    awaited = AwaitedBundle(receipt.site, receipt.chain, receipt.sequence, receipt.header_digest)
    body = _proof(awaited, receipt.outcome, secret) + _LETTERS[receipt.outcome]
    code = body + _check_letters(body)
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def match_code(text: str, awaited: Iterable[AwaitedBundle], secret: bytes) -> MatchedCode:
    """Find the bundle that a typed code belongs to.

    Args:
        text: The text that a person typed.
        awaited: The sealed bundles of this chain.
        secret: The site's receipt secret, 32 bytes.

    Raises:
        UsageError: The code was mistyped.
        ChainError: The check characters fit, but the code belongs to none of these bundles.
    """
    code = _read_letters(text)
    body, check = code[:-2], code[-2:]
    outcome = next((outcome for outcome, letter in _LETTERS.items() if letter == body[-1]), None)
    if check != _check_letters(body) or outcome is None:
        raise UsageError(
            reason="the receipt code was mistyped: its check characters do not fit",
            remedy=_TYPE_AGAIN,
        )
    for bundle in awaited:
        if compare_digest(_proof(bundle, outcome, secret), body[:-1]):
            return MatchedCode(bundle, outcome)
    raise ChainError(
        reason="the receipt code is well typed and belongs to no bundle that waits for a receipt",
        remedy="Compare bundle number and site with the person who read it out; both sides must "
        "have the same receipt secret.",
    )


def looks_like_code(text: str) -> bool:
    """Return True if a text is a receipt code, give or take a few characters."""
    if len(text) > TYPED_LIMIT_CHARACTERS:
        return False
    letters = text.upper().translate(_LOOK_ALIKE)
    return (
        letters.isascii() and letters.isalnum() and abs(len(letters) - _LENGTH) <= _MISTYPED_LETTERS
    )


def _read_letters(text: str) -> str:
    letters = text.upper().translate(_LOOK_ALIKE)
    wrong = next((letter for letter in letters if letter not in _VALUES), None)
    if wrong is not None:
        raise UsageError(reason=f"a receipt code has no character {wrong!a}", remedy=_TYPE_AGAIN)
    if len(letters) != _LENGTH:
        raise UsageError(
            reason=f"a receipt code has {_LENGTH} characters, {len(letters)} were typed",
            remedy=_TYPE_AGAIN,
        )
    return letters


def _proof(awaited: AwaitedBundle, outcome: ReceiptOutcome, secret: bytes) -> str:
    message = canonical_json(
        [
            _TYPE,
            awaited.site,
            awaited.chain,
            awaited.sequence,
            awaited.header_digest.hex,
            outcome,
        ]
    )
    digest = blake3(message, key=secret).digest(length=_PROOF_LETTERS * 5 // 8)
    return _letters(int.from_bytes(digest), _PROOF_LETTERS)


def _check_letters(body: str) -> str:
    number = 0
    for letter in body:
        number = number * 32 + _VALUES[letter]
    return _letters(number % _MODULUS, 2)


def _letters(number: int, length: int) -> str:
    return "".join(_ALPHABET[number >> 5 * digit & 31] for digit in reversed(range(length)))
