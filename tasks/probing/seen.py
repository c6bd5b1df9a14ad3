"""Facts of a server in the places that we rely on: counts and shapes, no names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.names import Count


class Part(BaseModel):
    """One line of the script's answer."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Engine(Part):
    """The PowerShell that answered; ``culture`` is the language of the server's texts."""

    version: str
    culture: str


class Members(Part):
    """Members of a type of the API that we use and that the server's module lacks."""

    type: str
    missing: tuple[str, ...]


class Content(Part):
    """Files of WsusContent; ``odd_shapes`` are a few names that WSUS does not give, as shapes."""

    files: Count
    odd_names: Count
    odd_shapes: tuple[str, ...]
    extensions: Mapping[str, Count]
    largest_bytes: Count


class LogForm(Part):
    """The end of SoftwareDistribution.log: entries in the form that we read, and other ones."""

    size_bytes: Count
    entries: Count
    other_entries: Count
    other_shapes: tuple[str, ...]


class PackageShape(Part):
    """The newest metadata package that this side keeps.

    Attributes:
        encoding: What its mark or declaration says; empty without either.
        attributes: Names of the root's attributes, in their order.
        creation_time: Shape of that attribute: digits are 9.
        sections: Children of the root, in their order.
        update_children: A few different orders of an update's children.
        metadata: How an update's own XML stands in it: as ``text``, or as ``elements``.
        largest_update: Characters of the largest update's own XML.
    """

    encoding: str
    root: str
    attributes: tuple[str, ...]
    format_version: str
    creation_time: str
    sections: tuple[str, ...]
    update_children: tuple[tuple[str, ...], ...]
    metadata: tuple[str, ...]
    updates: Count
    largest_update: Count


class Earlier(Part):
    """One earlier run of wsusutil, as it was judged.

    Attributes:
        others_good: True if all signals but the exit code spoke for success.
        log_root, log_encoding: Of its log; empty if none was read.
    """

    verb: str
    exit_code: int | None
    others_good: bool
    log_root: str
    log_encoding: str


class UpdateDocument(Part):
    """The XML of one update: its root, its namespace, its children in their order."""

    size_bytes: Count
    root: str | None
    namespace: str | None
    children: tuple[str, ...]
    encoding: str = ""


class Seen(Part):
    """All that a probe saw. A part that could not be read is None, with the error's type."""

    version: str
    protocol_version: str
    engine: Engine | None = None
    members: tuple[Members, ...] = ()
    content: Content | None = None
    log: LogForm | None = None
    updates: tuple[UpdateDocument, ...] = ()
    package: PackageShape | None = None
    earlier: tuple[Earlier, ...] = ()
    unknown: Mapping[str, str] = {}


_SINGLE: Mapping[str, type[Part]] = {"engine": Engine, "content": Content, "log": LogForm}
_SEVERAL: Mapping[str, tuple[str, type[Part]]] = {
    "members": ("members", Members),
    "update": ("updates", UpdateDocument),
}


def seen_of(lines: Iterable[Mapping[str, Any]], *, version: str, protocol_version: str) -> Seen:
    """Make the model of the script's lines.

    Raises:
        ValidationError: A line has another shape than ours.
    """
    fields: dict[str, Any] = {"members": [], "updates": [], "unknown": {}}
    for line in lines:
        kind = str(line.get("kind"))
        if kind in _SINGLE:
            fields[kind] = _SINGLE[kind].model_validate(line)
        elif kind in _SEVERAL:
            name, model = _SEVERAL[kind]
            fields[name].append(model.model_validate(line))
        elif kind == "unknown":
            fields["unknown"][str(line.get("topic"))] = str(line.get("reason"))
    return Seen(version=version, protocol_version=protocol_version, **fields)
