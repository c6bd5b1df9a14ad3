"""WsusContent behind a link, on a disk of its own: it is followed, and files move by renames."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.labs import Lab, equal_servers

_OTHER_VOLUME = Path("/dev/shm")  # noqa: S108  a volume of its own on every Linux


@pytest.fixture
def other_volume(tmp_path: Path) -> Iterator[Path]:
    """A folder on another volume than the lab's."""
    is_other = _OTHER_VOLUME.is_dir() and _OTHER_VOLUME.stat().st_dev != tmp_path.stat().st_dev
    parent = _OTHER_VOLUME if is_other else Path.home()
    folder = Path(tempfile.mkdtemp(prefix="wsus-airgap-test-", dir=parent))
    yield folder
    shutil.rmtree(folder)


def move_behind_link(lab: Lab, side: str, target: Path) -> None:
    """Move WsusContent elsewhere and leave a link, as sites do with a junction."""
    content_dir = lab.content_dir(side)
    shutil.move(content_dir, target)
    content_dir.symlink_to(target, target_is_directory=True)


def test_content_behind_a_link_on_another_disk_is_exported_and_imported(
    small_lab: Lab, other_volume: Path
) -> None:
    lab = small_lab
    for side in ("staging", "disconnected"):
        move_behind_link(lab, side, other_volume / side)
    imported = lab.cross()
    assert str(other_volume / "disconnected") in str(imported.document["lines"])
    equal_servers(lab, apart_from=imported)
    # The intake was on the disk of the content, and is empty again.
    assert (other_volume / "wsus-airgap").is_dir()
    assert not [path for path in (other_volume / "wsus-airgap").rglob("*") if path.is_file()]
    assert not (lab.work("disconnected") / "intake").exists()
    assert lab.content_dir("disconnected").is_symlink()
    lab.run("disconnected", "audit", expect=imported.exit_code)
