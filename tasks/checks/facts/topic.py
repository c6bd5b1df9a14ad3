"""Base of the topics of facts, and the way in which a rule asks for a fact."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

_Fact = TypeVar("_Fact")

RegistryNumber = int | Literal["not set"]
"""A DWORD of the registry; ``not set`` if the value, or its key, is not there."""

RegistryText = Annotated[str, Field(max_length=65_536)]
"""A text of the registry; ``not set`` if the value, or its key, is not there."""


class NotKnownError(Exception):
    """A fact that a rule needs is not known from here; the rule has neither finding nor answer."""


class Topic(BaseModel):
    """Facts of one topic, as one line of the script or a part of our own state has them.

    Every fact that Windows may not tell is None when it does not; nothing is guessed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")


def known(fact: _Fact | None, name: str) -> _Fact:
    """Return a fact that a rule needs.

    Args:
        fact: The fact.
        name: The fact in a few words, for the line of the report when it is not known.

    Raises:
        NotKnownError: It is None.
    """
    if fact is None:
        raise NotKnownError(name)
    return fact
