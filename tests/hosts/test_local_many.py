"""Many small files of this machine by one call: what is no plain file of its folder is refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import DiskFullError, HostFileError
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.refusals import FolderUnsafeError
from tests.support import needs


def test_what_is_no_plain_file_fails_alone_and_one_byte_beyond_a_limit_is_read(
    tmp_path: Path,
) -> None:
    host = LocalHost()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "plain").write_bytes(b"plain")
    (tmp_path / "folder" / "long").write_bytes(b"0123456789")
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "folder" / "plain")
    (tmp_path / "way").symlink_to(tmp_path / "folder")
    os.mkfifo(tmp_path / "folder" / "pipe")
    names = ("plain", "link", "pipe", "none", "long", "../way/plain", "plain")
    paths = [HostPath(f"{tmp_path}/folder/{name}", host.platform) for name in names]

    read = [content for _, content in host.read_files((path, 5) for path in paths)]

    assert [read[0], read[4], read[6]] == [b"plain", b"012345", b"plain"]
    refused = [type(read[number]) for number in (1, 2, 3, 5)]
    assert refused == [FolderUnsafeError, HostFileError, HostFileError, FolderUnsafeError]
    ends = [error for _, error in host.write_files((path, b"new") for path in paths[:3])]
    assert ends[0] is None
    assert isinstance(ends[1], FolderUnsafeError)
    assert isinstance(ends[2], HostFileError)
    assert (tmp_path / "folder" / "plain").read_bytes() == b"new"


def test_a_folder_that_becomes_a_link_between_two_files_is_not_followed(tmp_path: Path) -> None:
    host = LocalHost()
    folder, theirs = tmp_path / "folder", tmp_path / "theirs"
    for made in (folder, theirs):
        made.mkdir()
        (made / "one").write_bytes(b"ours")
    path = host.path(str(folder / "one"))

    def files() -> Iterator[tuple[HostPath, bytes]]:
        yield path, b"new"
        folder.rename(tmp_path / "moved")
        folder.symlink_to(theirs)
        yield path, b"newer"

    assert [error for _, error in host.write_files(files())] == [None, None]
    assert (theirs / "one").read_bytes() == b"ours"
    assert (tmp_path / "moved" / "one").read_bytes() == b"newer"
    ((_, fault),) = host.write_files([(path, b"newest")])
    assert isinstance(fault, FolderUnsafeError)


@needs.root
def test_a_full_disk_is_told_from_other_faults(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)], check=True)
    try:
        host = LocalHost()
        files = [(host.path(str(tmp_path / str(number))), bytes(600_000)) for number in range(2)]
        assert [type(error) for _, error in host.write_files(files)] == [type(None), DiskFullError]
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
