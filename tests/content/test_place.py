"""From the intake to WsusContent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tasks.content.digest import digest_chunks
from tasks.content.names import ContentName
from tasks.content.place import Placed, PlaceItem, place
from tasks.content.scan import scan
from tasks.errors import HostFileError
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tests.support.bundles import fill_content, tree, write_content
from tests.support.memory_host import MemoryHost
from tests.support.memory_power import PowerLostError


def _place(root: Path, items: list[PlaceItem]) -> list[Placed]:
    host = LocalHost()
    return list(place(host, host.path(str(root / "intake")), host.path(str(root / "wsus")), items))


def _items(folder: Path) -> list[PlaceItem]:
    host = LocalHost()
    return [PlaceItem(file.name, file.size_bytes) for file in scan(host, host.path(str(folder)))]


def test_files_move_from_the_intake_to_their_place(tmp_path: Path) -> None:
    fill_content(tmp_path / "intake", 50)
    items = _items(tmp_path / "intake")
    before = tree(tmp_path / "intake")
    (tmp_path / "wsus").mkdir()

    placed = _place(tmp_path, items)

    assert sum(len(result.moved) for result in placed) == len(items)
    assert tree(tmp_path / "wsus") == before
    assert tree(tmp_path / "intake") == {}


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX's")
def test_a_placed_file_has_the_permissions_of_its_folder_and_not_of_the_intake(
    tmp_path: Path,
) -> None:
    name = write_content(tmp_path / "intake", b"good")
    (tmp_path / "intake" / name.folder / name.text).chmod(0o600)
    target = tmp_path / "wsus" / name.folder
    target.mkdir(parents=True)
    target.chmod(0o755)

    _place(tmp_path, [PlaceItem(name, 4)])

    assert stat.S_IMODE((target / name.text).stat().st_mode) == 0o644


def test_a_second_run_moves_nothing_and_finds_everything(tmp_path: Path) -> None:
    fill_content(tmp_path / "intake", 20)
    items = _items(tmp_path / "intake")
    (tmp_path / "wsus").mkdir()
    _place(tmp_path, items)

    placed = _place(tmp_path, items)

    assert sum(len(result.already_placed) for result in placed) == len(items)
    assert not any(result.moved or result.failed for result in placed)


def test_what_lies_nowhere_is_named(tmp_path: Path) -> None:
    fill_content(tmp_path / "intake", 5)
    items = _items(tmp_path / "intake")
    lost = items[2]
    (tmp_path / "intake" / lost.name.folder / lost.name.text).unlink()
    (tmp_path / "wsus").mkdir()

    placed = _place(tmp_path, items)

    failed = [failure for result in placed for failure in result.failed]
    assert [item for item, _ in failed] == [lost]
    assert isinstance(failed[0][1], HostFileError)


def test_an_intake_file_replaces_one_of_the_same_name(tmp_path: Path) -> None:
    name = write_content(tmp_path / "intake", b"good")
    rotten = tmp_path / "wsus" / name.folder / name.text
    rotten.parent.mkdir(parents=True)
    rotten.write_bytes(b"evil")

    _place(tmp_path, [PlaceItem(name, 4)])

    assert rotten.read_bytes() == b"good"


@pytest.mark.parametrize("seed", range(15))
def test_placing_goes_on_after_a_power_loss(seed: int) -> None:
    host = MemoryHost()
    intake, target = host.path("/work/intake"), host.path("/wsus")
    host.make_folder(target)
    names = []
    for number in range(12):
        content = b"file %d of %d" % (number, seed)
        names.append((_write(host, intake, content), content))
    items = sorted(
        (PlaceItem(name, len(content)) for name, content in names),
        key=lambda item: item.name.order,
    )
    host.fail_after(seed, PowerLostError())

    with pytest.raises(PowerLostError):
        list(place(host, intake, target, items))
    host.lose_power(seed)
    placed = list(place(host, intake, target, items))

    assert not any(result.failed for result in placed)
    for name, content in names:
        path = target.joined(name.folder, name.text)
        assert b"".join(map(bytes, host.read(path))) == content


def _write(host: MemoryHost, intake: HostPath, content: bytes) -> ContentName:
    name = ContentName(digest_chunks([content]).sha1, "cab")
    path = intake.joined(name.folder, name.text)
    host.make_folder(path.parent)
    host.write(path, [content])
    host.flush_files([path])
    host.flush_folders([path.parent, intake, intake.parent, host.path("/")])
    return name


def test_a_file_of_another_size_is_not_moved_into_its_place(tmp_path: Path) -> None:
    fill_content(tmp_path / "intake", 5)
    items = _items(tmp_path / "intake")
    torn = items[2]
    (tmp_path / "intake" / torn.name.folder / torn.name.text).write_bytes(b"torn" * 9_000)
    (tmp_path / "wsus").mkdir()

    failed = [item for placed in _place(tmp_path, items) for item, _ in placed.failed]

    assert failed == [torn]
    assert not (tmp_path / "wsus" / torn.name.folder / torn.name.text).exists()


@pytest.mark.parametrize("seed", range(3))
def test_what_was_said_to_be_placed_outlives_a_power_loss(seed: int) -> None:
    host = MemoryHost()
    intake, target = host.path("/d/intake"), host.path("/d/wsus")
    content = ContentName.parse(f"{'0' * 40}.cab")
    assert content is not None
    for folder in (intake.joined("00"), target):
        host.make_folder(folder)
    host.write(intake.joined("00", content.text), [b"bytes"])
    host.flush_files([intake.joined("00", content.text)])
    host.flush_folders([host.path("/"), host.path("/d"), intake, intake.joined("00"), target])

    list(place(host, intake, target, [PlaceItem(content, 5)]))
    host.lose_power(seed)

    assert [stat.name for stat in host.list_folder(target.joined("00"))] == [content.text]
    assert host.list_folder(intake.joined("00")) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_content_folder_that_is_a_link_or_a_file_fails_alone(tmp_path: Path) -> None:
    fill_content(tmp_path / "intake", 12)
    items = _items(tmp_path / "intake")
    linked, plain, *others = sorted({item.name.folder for item in items})
    (tmp_path / "wsus").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "wsus" / linked).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "wsus" / plain).write_text("no folder")

    placed = {result.folder: result for result in _place(tmp_path, items)}

    assert {folder for folder, result in placed.items() if result.failed} == {linked, plain}
    assert all(placed[folder].moved for folder in others)
    ((_, error), *_) = placed[linked].failed
    assert f"{tmp_path}/wsus/{linked} on the server is not safe to use: it is a link" in str(error)
    assert tree(tmp_path / "elsewhere") == {}
