"""Follow supersedence: the updates that supersede one, directly or through others.

A bundle may bring chains of hundreds of thousands of updates, and circles. Each update is looked up
once, however many are asked about, and memory holds a few numbers for it: the components that
Tarjan's algorithm finds, and which traits occur in and above each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

_UNFINISHED = -1


class _Component(NamedTuple):
    """Updates that supersede each other in a circle; mostly a single one. All are bit sets.

    Attributes:
        above: Traits of all that supersede the circle.
        once: Traits of at least one update in it.
        twice: Traits of at least two updates in it.
    """

    above: int
    once: int
    twice: int


class Successors:
    """Which traits occur among the successors of an update."""

    def __init__(
        self, superseded_by: Callable[[str], Collection[str]], traits: Callable[[str], int]
    ) -> None:
        """Take what is known of single updates.

        Args:
            superseded_by: Looks up the updates that supersede one directly.
            traits: The traits of one update, as a bit set; always the same.
        """
        self._superseded_by = superseded_by
        self._traits = traits
        self._component_of: dict[str, int] = {}
        self._components: list[_Component] = []
        self._numbers: dict[_Component, int] = {}

    def traits(self, update_id: str) -> int:
        """The traits that occur among the successors of an update, itself left out."""
        if update_id not in self._component_of:
            self._follow(update_id)
        component = self._components[self._component_of[update_id]]
        return component.above | component.twice | (component.once & ~self._traits(update_id))

    def _follow(self, first: str) -> None:
        """Find the components of an update and of all that supersede it, those above first."""
        open_updates: list[str] = []
        lowest: dict[str, int] = {}
        above: dict[str, int] = {}
        path: list[tuple[str, int, Iterator[str]]] = []

        def enter(update_id: str) -> None:
            index = lowest[update_id] = len(open_updates)
            above[update_id] = 0
            open_updates.append(update_id)
            self._component_of[update_id] = _UNFINISHED
            path.append((update_id, index, iter(tuple(self._superseded_by(update_id)))))

        enter(first)
        while path:
            update_id, index, waiting = path[-1]
            successor = next(waiting, None)
            if successor is None:
                path.pop()
                if lowest[update_id] == index:
                    self._close(open_updates, index, lowest, above)
                if path:
                    self._pass_on(update_id, path[-1][0], lowest, above)
            elif successor not in self._component_of:
                enter(successor)
            else:
                self._pass_on(successor, update_id, lowest, above)

    def _pass_on(
        self, successor: str, update_id: str, lowest: dict[str, int], above: dict[str, int]
    ) -> None:
        number = self._component_of[successor]
        if number == _UNFINISHED:  # of the same circle
            lowest[update_id] = min(lowest[update_id], lowest[successor])
        else:
            component = self._components[number]
            above[update_id] |= component.above | component.once

    def _close(
        self, open_updates: list[str], index: int, lowest: dict[str, int], above: dict[str, int]
    ) -> None:
        members = open_updates[index:]
        del open_updates[index:]
        outside = once = twice = 0
        for update_id in members:
            traits = self._traits(update_id)
            outside |= above.pop(update_id)
            del lowest[update_id]
            twice |= once & traits
            once |= traits
        component = _Component(outside, once, twice)
        number = self._numbers.setdefault(component, len(self._components))
        if number == len(self._components):
            self._components.append(component)
        for update_id in members:
            self._component_of[update_id] = number
