"""The rules by which the target groups of the staging server become groups of this site."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from tasks.approvals.group_paths import read_path
from tasks.approvals.model import (
    ALL_COMPUTERS,
    DEEPEST_GROUP,
    DOWNSTREAM_SERVERS,
    UNASSIGNED_COMPUTERS,
    GroupPath,
    fold,
)

HOLD, APPLY = "hold", "apply"
BUILT_IN_KEYS = {ALL_COMPUTERS: "all_computers", UNASSIGNED_COMPUTERS: "unassigned_computers"}
"""The keys of ``[groups]`` for the two groups that every WSUS has."""
_BUILT_IN = {fold(path): path for path in BUILT_IN_KEYS}
_DOWNSTREAM = fold(DOWNSTREAM_SERVERS)


def _path(text: str) -> str:
    read_path(text)
    return text


def _path_or_nothing(text: str) -> str:
    return _path(text) if text else text


def _built_in(text: str) -> str:
    return text if text in {HOLD, APPLY} else _path_or_word(text)


def _path_or_word(text: str) -> str:
    if not text:
        raise ValueError(f"expected {HOLD!r}, {APPLY!r} or the path of a group, found ''")
    return _path(text)


def _prefix(text: str) -> str:
    return _path_or_nothing(text.removesuffix("/")) and text.removesuffix("/")


def _one_key_each(rules: Mapping[str, str]) -> Mapping[str, str]:
    seen: dict[GroupPath, str] = {}
    for text in rules:
        other = seen.setdefault(fold(read_path(text)), text)
        if other != text:
            raise ValueError(f"{other!r} and {text!r} are one group: WSUS ignores case in names")
    return rules


BuiltInRule = Annotated[str, AfterValidator(_built_in)]


class GroupRules(BaseModel):
    """The rules of a site; without any, a group means the group of the same path.

    Attributes:
        all_computers, unassigned_computers: The fate of approvals for these two groups: hold them,
            apply them to the same group, or apply them to another group of this site.
        prefix: Path of the group of this site below which all groups without a line in ``map`` lie.
        map: Paths of staging, each with a path of this site; an empty text leaves a group out. A
            group without a line goes with the nearest group above it that has one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    all_computers: BuiltInRule = HOLD
    unassigned_computers: BuiltInRule = HOLD
    prefix: Annotated[str, AfterValidator(_prefix)] = ""
    map: Annotated[
        dict[
            Annotated[str, AfterValidator(_path)], Annotated[str, AfterValidator(_path_or_nothing)]
        ],
        AfterValidator(_one_key_each),
    ] = {}

    @cached_property
    def _targets(self) -> Mapping[GroupPath, GroupPath | None]:
        return {
            fold(read_path(source)): read_path(target) if target else None
            for source, target in self.map.items()
        }

    @cached_property
    def _top(self) -> GroupPath:
        return read_path(self.prefix) if self.prefix else ALL_COMPUTERS

    def is_held(self, path: GroupPath) -> bool:
        """Return True if approvals for this group of staging wait for a person's rule."""
        if fold(path) == _DOWNSTREAM:
            return _DOWNSTREAM not in self._targets  # what the group is for, no rule knows
        built_in = _BUILT_IN.get(fold(path))
        return built_in is not None and self._rule_for(built_in) == HOLD

    def target(self, path: GroupPath) -> GroupPath | None:
        """Return the group of this site for a group of staging; None if it is left out.

        A group that is held stands for itself. A path that would be deeper than any that we take
        from a server is left out too.
        """
        built_in = _BUILT_IN.get(fold(path))
        if built_in is not None:
            rule = self._rule_for(built_in)
            return built_in if rule in {HOLD, APPLY} else read_path(rule)
        if self.is_held(path):
            return DOWNSTREAM_SERVERS
        for length in range(len(path), 1, -1):
            above = fold(path[:length])
            if above in self._targets:
                target = self._targets[above]
                return None if target is None else _joined(target, path[length:])
        return _joined(self._top, path[1:])

    def unused(self, groups: tuple[GroupPath, ...]) -> tuple[str, ...]:
        """Return the keys of ``map`` for which staging has no group."""
        present = {fold(path) for path in groups}
        return tuple(text for text in self.map if fold(read_path(text)) not in present)

    def _rule_for(self, built_in: GroupPath) -> str:
        rule: str = getattr(self, BUILT_IN_KEYS[built_in])
        return rule


def _joined(above: GroupPath, below: GroupPath) -> GroupPath | None:
    path = (*above, *below)
    return path if len(path) <= DEEPEST_GROUP else None
