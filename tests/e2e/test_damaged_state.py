"""State folders that lost a part, or hold one that is damaged: no dead end, nothing taken back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.labs import Lab


def _kept(lab: Lab, side: str, number: int, name: str) -> Path:
    folder = {"staging": "bundles", "disconnected": "imports"}[side]
    (path,) = (lab.folder / side / "state" / folder).glob(f"alpha-{number}*/{name}")
    return path


def _cut(path: Path) -> None:
    """Leave the first half of its lines."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) // 2]))


def _spoil(path: Path) -> None:
    path.write_bytes(b"junk" * 2_000)


@pytest.mark.parametrize("damage", [_cut, Path.unlink])
def test_a_baseline_that_is_no_longer_known_has_all_content_carried(
    small_lab: Lab, damage: Callable[[Path], None]
) -> None:
    imported = small_lab.cross()
    whole = small_lab.run("disconnected", "verify", small_lab.bundle(1), expect=0)
    small_lab.accept(imported.document["receipt"], expect=0)
    damage(_kept(small_lab, "staging", 1, "manifest.jsonl"))
    made = small_lab.export("--new", expect=2).document
    assert made["sequence"] == 2
    assert made["base"] is None
    assert made["files"] == whole.document["files"]
    assert "manifest of bundle 1" in made["notices"][0]
    assert small_lab.export(expect=0).document["sequence"] == 2
    small_lab.import_(2, expect=2)


def test_a_bundle_that_the_state_folder_cannot_speak_of_is_not_answered_again(
    small_lab: Lab,
) -> None:
    small_lab.export(expect=0)
    names = ("manifest.jsonl", "approvals.jsonl", "index.sqlite")
    for number, name in enumerate(names, start=1):
        _spoil(_kept(small_lab, "staging", number, name))
        assert small_lab.export(expect=0).document["sequence"] == number + 1, name
    assert small_lab.export(expect=0).document["sequence"] == 4


def test_an_audit_decides_nothing_by_documents_that_were_damaged(small_lab: Lab) -> None:
    small_lab.cross()
    before = small_lab.snapshot("disconnected")
    damages = {"approvals.jsonl": _cut, "manifest.jsonl": _cut, "index.sqlite": _spoil}
    for name, damage in damages.items():
        damage(_kept(small_lab, "disconnected", 1, name))
        failed = small_lab.run("disconnected", "audit", expect=1)
        assert name in failed.error["message"]
        assert "Import bundle 1 again" in failed.error["next_step"]
        assert small_lab.snapshot("disconnected") == before
        small_lab.import_(1, expect=2)
    small_lab.run("disconnected", "audit", expect=2)
    assert small_lab.snapshot("disconnected") == before


def test_a_content_folder_that_is_not_there_is_no_server_without_content(small_lab: Lab) -> None:
    content = small_lab.content_dir("staging")
    content.rename(content.with_name("elsewhere"))
    refused = small_lab.export(expect=64)
    assert str(content) in refused.error["message"]
    assert not list((small_lab.folder / "media").glob("alpha-*"))
    content.with_name("elsewhere").rename(content)
    small_lab.export(expect=0)
