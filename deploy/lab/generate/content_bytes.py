"""The bytes of content files, generated from recipes.

A recipe is one line, ``<kind>:<seed>:<key>:<size>``, and always gives the same bytes. Kind
``block`` makes a binary file from slices of one random block. A digest precedes each slice, so
that no two pieces are equal; this is about as fast as copying memory. Kind ``text`` makes licence
terms.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SMALLEST_BYTES = 64
_PIECE_BYTES = 256 * 1024
_BLOCK_BYTES = 1024 * 1024
_CLAUSES = {
    "en": "You may use one copy of the software. It is licensed, not sold. No warranty is given.",
    "de": "Sie dürfen eine Kopie der Software verwenden. Sie wird lizenziert, nicht verkauft.",
    "ja": "お客様は、本ソフトウェアを 1 部使用できます。販売されるものではありません。",
    "fr": "Vous pouvez utiliser une copie du logiciel. Il est concédé sous licence, pas vendu.",
}


@dataclass(frozen=True, slots=True)
class Digests:
    """The size and digests of a file's bytes, as the catalogue has them; upper-case hex."""

    sha1: str
    sha256: str
    size_bytes: int


def block_recipe(seed: int, key: str, size_bytes: int) -> str:
    """The recipe of a binary file."""
    return f"block:{seed}:{key}:{max(size_bytes, SMALLEST_BYTES)}"


def text_recipe(seed: int, key: str, language: str) -> str:
    """The recipe of licence terms in a language."""
    return f"text:{seed}:{key}:{language}"


def pieces(recipe: str) -> Iterator[bytes | memoryview]:
    """The bytes of a recipe, piece by piece."""
    kind, seed, key, rest = recipe.split(":")
    if kind == "text":
        yield _text(seed, key, rest)
        return
    block = memoryview(_block(seed))
    remaining = int(rest)
    number = 0
    while remaining:
        head = hashlib.blake2b(f"{recipe}#{number}".encode(), digest_size=32).digest()[:remaining]
        yield head
        remaining -= len(head)
        start = int.from_bytes(head[:3], "big") % (_BLOCK_BYTES - _PIECE_BYTES)
        body = min(remaining, _PIECE_BYTES)
        if body:
            yield block[start : start + body]
        remaining -= body
        number += 1


def digests(recipe: str) -> Digests:
    """The size and digests of a recipe's bytes."""
    sha1, sha256, size = hashlib.sha1(usedforsecurity=False), hashlib.sha256(), 0
    for piece in pieces(recipe):
        sha1.update(piece)
        sha256.update(piece)
        size += len(piece)
    return Digests(sha1.hexdigest().upper(), sha256.hexdigest().upper(), size)


def write(recipe: str, path: Path) -> None:
    """Write a recipe's bytes under a temporary name, as BITS does, and rename the file."""
    partial = path.with_name(f"BIT{path.name[:8]}.tmp")
    try:
        file = partial.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = partial.open("wb")
    with file:
        for piece in pieces(recipe):
            file.write(piece)
    partial.replace(path)


def sha1_of(path: Path) -> str:
    """The SHA-1 of a file on disk, in upper-case hex."""
    with path.open("rb") as file:
        return (
            hashlib.file_digest(file, lambda: hashlib.sha1(usedforsecurity=False))
            .hexdigest()
            .upper()
        )


@lru_cache(maxsize=2)
def _block(seed: str) -> bytes:
    return random.Random(f"block {seed}").randbytes(_BLOCK_BYTES)


def _text(seed: str, key: str, language: str) -> bytes:
    clause = _CLAUSES.get(language, _CLAUSES["en"])
    draw = random.Random(f"text {seed} {key} {language}")
    lines = [f"MICROSOFT SOFTWARE LICENSE TERMS ({language}) {key} {draw.getrandbits(64):016x}", ""]
    lines += [f"{number}. {clause}" for number in range(1, draw.randint(5, 15))]
    return "\r\n".join(lines).encode()
