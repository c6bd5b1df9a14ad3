"""The two digests as fields of pydantic models, in the form that documents use."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import PlainSerializer, PlainValidator

from tasks.content.names import Blake3, ContentDigest

_SHA1 = re.compile(r"[0-9A-F]{40}")
_BLAKE3 = re.compile(r"[0-9a-f]{64}")


def _read_sha1(value: object) -> ContentDigest:
    if isinstance(value, ContentDigest):
        return value
    if isinstance(value, str) and _SHA1.fullmatch(value):
        return ContentDigest.from_hex(value)
    raise ValueError("a content digest is 40 upper-case hexadecimal digits")


def _read_blake3(value: object) -> Blake3:
    if isinstance(value, Blake3):
        return value
    if isinstance(value, str) and _BLAKE3.fullmatch(value):
        return Blake3.from_hex(value)
    raise ValueError("a BLAKE3 digest is 64 lower-case hexadecimal digits")


Sha1Field = Annotated[
    ContentDigest, PlainValidator(_read_sha1), PlainSerializer(lambda digest: digest.hex, str)
]
Blake3Field = Annotated[
    Blake3, PlainValidator(_read_blake3), PlainSerializer(lambda digest: digest.hex, str)
]
