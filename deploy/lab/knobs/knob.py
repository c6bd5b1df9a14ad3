"""A knob: one row of a table of what can be wrong with a simulated server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """The way in which a synchronisation ends while a knob is on.

    Attributes:
        error: A name of ``SynchronizationError``.
        texts: The text of the error by language of the server, as .NET or WSUS writes it.
        log: The lines in SoftwareDistribution.log before the result: level, method, message; none:
            one line with the text. A message may have several lines; ``{endpoint}`` is the host
            that MUUrl names, ``{text}`` the text of the error.
    """

    error: str
    texts: Mapping[str, str]
    log: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Knob:
    """One thing that can be wrong.

    Attributes:
        description: One line for ``lab fault --list``.
        settings: Values of settings while it is on, by name: properties of
            ``IUpdateServerConfiguration``, or settings of the machine (``rules.machine``).
        failure: How each synchronisation fails while it is on; None: it changes nothing for one.
            Turning the knob starts a synchronisation, so that the trouble shows at once.
    """

    description: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    failure: Failure | None = None
