"""The runbook knows every error that a person can be shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.errors import AirGapError
from tasks.version import VERSION

ROOT = Path(__file__).resolve().parents[2]


def _below(error: type[AirGapError]) -> Iterator[type[AirGapError]]:
    for kind in error.__subclasses__():
        yield kind
        yield from _below(kind)


def test_every_kind_of_error_has_its_line_in_the_runbook() -> None:
    runbook = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")

    assert [error.kind for error in _below(AirGapError) if f"`{error.kind}`" not in runbook] == []


def test_the_changelog_names_the_version_that_is_built() -> None:
    assert f"## {VERSION}\n" in (ROOT / "deploy" / "CHANGELOG.md").read_text(encoding="utf-8")
