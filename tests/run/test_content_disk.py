"""Intake and trash lie on the volume of WsusContent, wherever a site has put it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath, Platform
from tasks.run.folders import ServerFolders, find_content_disk
from tests.support.memory_host import MemoryHost


class Volumes(MemoryHost):
    """A server whose folders are on volumes that a test names by the folder they are mounted in."""

    def __init__(self, *mounts: str) -> None:
        super().__init__()
        self.mounts = mounts

    def volume_of(self, folder: HostPath) -> str:
        """The longest mount that the folder begins with."""
        whole = folder.text.replace("\\", "/").rstrip("/") + "/"
        return max((m for m in self.mounts if whole.startswith(m)), key=len)


@pytest.mark.parametrize(
    ("content", "mounts", "root"),
    [
        ("/srv/WsusContent", ["/"], "/work"),
        ("/big/wsus/WsusContent", ["/", "/big/"], "/big/wsus/wsus-airgap"),
        ("/srv/WsusContent", ["/", "/srv/WsusContent/"], "/srv/WsusContent/wsus-airgap"),
    ],
)
def test_our_folders_are_where_a_move_into_the_content_is_a_rename(
    content: str, mounts: list[str], root: str
) -> None:
    server = Volumes(*mounts)
    folders = ServerFolders(HostPath("/work", Platform.POSIX), "alpha")
    disk = find_content_disk(server, folders, HostPath(content, Platform.POSIX))
    assert disk.root.text == root
    assert disk.intake.text == f"{root}/intake/alpha"
    assert disk.trash.text == f"{root}/trash/alpha"


@pytest.mark.parametrize(
    ("content", "mounts", "root"),
    [
        (r"D:\WSUS\WsusContent", ["C:/", "D:/"], r"D:\WSUS\wsus-airgap"),
        (r"C:\WSUS\WsusContent", ["C:/"], r"C:\ours"),
        (r"C:\WSUS\WsusContent", ["C:/", "C:/WSUS/"], r"C:\WSUS\wsus-airgap"),
        (
            r"C:\WSUS\WsusContent",
            ["C:/", "C:/WSUS/WsusContent/"],
            r"C:\WSUS\WsusContent\wsus-airgap",
        ),
    ],
)
def test_on_windows_a_volume_mounted_in_a_folder_counts_as_one_of_its_own(
    content: str, mounts: list[str], root: str
) -> None:
    folders = ServerFolders(HostPath(r"C:\ours", Platform.WINDOWS), "alpha")
    disk = find_content_disk(Volumes(*mounts), folders, HostPath(content, Platform.WINDOWS))
    assert disk.root.text == root


def test_a_link_is_followed_to_where_the_folder_really_is(tmp_path: Path) -> None:
    (tmp_path / "big" / "WsusContent").mkdir(parents=True)
    (tmp_path / "WSUS").symlink_to(tmp_path / "big")
    host = LocalHost()
    real = host.real_path(host.path(str(tmp_path / "WSUS" / "WsusContent")))
    assert real.text == str(tmp_path.resolve() / "big" / "WsusContent")
    assert host.volume_of(real) == host.volume_of(host.path(str(tmp_path / "not" / "there")))
