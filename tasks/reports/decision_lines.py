"""Lines about decisions in the document: rulings, conflicts, and the base of all its models."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.approvals.plan_model import Subject
from tasks.approvals.rulings import RulingKind


class Reported(BaseModel):
    """Base of the report's models: frozen, without unknown keys, and every key is written."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_serialization_defaults_required=True
    )


class WaitedFile(Reported):
    """File that a parked approval waits for.

    Attributes:
        file: ``<SHA-1>.<extension>``; null if the metadata do not have the revision.
        reason: A reason of missing content.
        since: Time of the first audit of an unbroken line that missed it.
    """

    file: str | None
    size_bytes: int | None
    reason: str
    reason_text: str
    since: str


class RulingLine(Reported):
    """Ruling of a person about a waiting decision, of the commands ``held`` and ``parked``.

    ``title`` and ``kb`` are foreign text.
    """

    number: int
    decision: RulingKind
    update_id: str
    revision: int
    group: tuple[str, ...]
    title: str
    kb: str
    reason: str
    account: str
    decided: str
    until: str | None


class DecidedTerms(Reported):
    """Decision of one side in a conflict; a decline has no group, action, deadline or option."""

    decision: Literal["approval", "decline"]
    revision: int
    group: tuple[str, ...] = ()
    action: str | None = None
    deadline: str | None = None
    optional: bool = False


class ConflictLine(Reported):
    """Decision of the staging side that was overruled here, side by side with what stands.

    Attributes:
        subject: The overruled decision: ``approval``, ``removal`` or ``decline``.
        last_applied: What was applied here last about this update and group; empty: nothing.
        incoming: What the bundle brings.
        present: What stands on the server.
        winner: ``here``, or ``wsus`` for the decline of an expired update by WSUS itself.
    """

    update_id: str
    revision: int
    group: tuple[str, ...]
    subject: Subject
    title: str
    last_applied: tuple[DecidedTerms, ...]
    incoming: tuple[DecidedTerms, ...]
    present: tuple[DecidedTerms, ...]
    winner: Literal["here", "wsus"]
    reason: str
    reason_text: str
