"""The one way in which JSON that is signed, or named by a digest, is written and read.

UTF-8, keys sorted, no space between tokens, nothing escaped that need not be. What is read must
be exactly what would be written: so there is one text for one meaning, a key cannot stand twice,
and no reader can be shown something other than what another reader saw.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict


class Sealed(BaseModel):
    """Base of what stands in signed documents: frozen, exact types, no unknown keys."""

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
    """Read JSON in which no key stands twice and all numbers are plain.

    Callers bound the length first.

    Raises:
        ValueError: It is not JSON, not UTF-8, or breaks these rules.
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
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")
