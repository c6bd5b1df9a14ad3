"""Canonical JSON: the only form in which we write and read JSON that is signed or digested.

UTF-8, sorted keys, no space between tokens, only the escapes that JSON demands. A document is
accepted only if writing it again gives the same bytes. So each value has exactly one text, no key
appears twice, and two readers of a document never see different values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class Sealed(BaseModel):
    """Base of all models in signed documents: frozen, exact types, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def canonical_json(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Write a JSON value in its canonical form, without a line break."""
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
    )
    return text.encode()


def canonical_model(model: BaseModel) -> bytes:
    """Write a model in its canonical form."""
    return canonical_json(model.model_dump(mode="json"))


def strict_json(text: bytes) -> Any:  # noqa: ANN401  JSON is any shape until a model reads it
    """Read JSON, and refuse repeated keys and the numbers NaN and Infinity.

    Callers limit the length first.

    Raises:
        ValueError: The text is not JSON, not UTF-8, or breaks these rules.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key stands twice")
    return unique


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
