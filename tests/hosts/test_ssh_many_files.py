"""Content to and from a server over SSH: many small files at a time, each judged by itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.content.copy_item import CopyItem, CopyResult
from tasks.content.digest import digest_chunks
from tasks.content.place import beside_of, content_path
from tasks.content.scan import scan
from tasks.content.transfer import copy_files
from tasks.errors import ConnectionLostError, ContentWrongError, HostFileError
from tasks.hosts.factory import open_host
from tasks.hosts.host import Host
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.hosts.ssh import SshHost
from tasks.hosts.waiting import Patience
from tasks.refusals import FolderUnsafeError
from tests.hosts.conftest import ssh_address
from tests.support import needs
from tests.support.bundles import fill_content, tree, write_content
from tests.support.sshd import Sshd

pytestmark = needs.sshd


@pytest.fixture
def server(sshd: Sshd) -> Iterator[SshHost]:
    """The server."""
    host = open_host(ssh_address(sshd))
    assert isinstance(host, SshHost)
    yield host
    host.close()


def _items(source: Path, target: Host, folder: Path) -> list[CopyItem]:
    local, root = LocalHost(), target.path(str(folder))
    items = []
    for file in scan(local, local.path(str(source))):
        target.make_folder(root.joined(file.name.folder))
        final = content_path(root, file.name)
        blake3 = digest_chunks(local.read(file.path)).blake3
        items.append(
            CopyItem(
                (file.path,), file.size_bytes, file.name.digest, blake3, beside_of(final), final
            )
        )  # fmt: skip
    return items


def _copy(items: list[CopyItem], source: Host, target: Host) -> list[CopyResult]:
    return [result for batch in copy_files(source, target, items) for result in batch]


@pytest.mark.parametrize("fetching", [True, False])
def test_each_file_arrives_whole_or_fails_alone(
    server: SshHost, tmp_path: Path, *, fetching: bool
) -> None:
    fill_content(tmp_path / "from", 90)
    write_content(tmp_path / "from", os.urandom(3_000_000), "esd")
    write_content(tmp_path / "from", os.urandom(9_000_000), "esd")
    source, target = (server, LocalHost()) if fetching else (LocalHost(), server)
    items = _items(tmp_path / "from", target, tmp_path / "to")
    good = tree(tmp_path / "from")
    flipped, grown, shrunk, missing, link = (item.sources[0] for item in items[10:60:10])
    for path, change in ((flipped, b"?"), (grown, b"more than that" * 1_000), (shrunk, b"")):
        content = Path(path.text).read_bytes()
        changed = content + change if path is grown else change + content[1:]
        Path(path.text).write_bytes(changed if path is not shrunk else content[: len(content) // 2])
    Path(missing.text).unlink()
    Path(link.text).rename(tmp_path / "elsewhere")
    Path(link.text).symlink_to(tmp_path / "elsewhere")

    results = _copy(items, source, target)

    assert [result.item for result in results] == items
    errors = {result.item.sources[0]: result.error for result in results if result.error}
    assert {path: type(error) for path, error in errors.items()} == {
        flipped: ContentWrongError,
        grown: ContentWrongError,
        shrunk: ContentWrongError,
        missing: HostFileError,
        link: FolderUnsafeError,
    }
    names = {f"{path.parent.name}/{path.name}" for path in errors}
    assert tree(tmp_path / "to") == {n: c for n, c in good.items() if n not in names}


def test_a_pipe_under_a_files_name_is_refused_and_stops_nobody(
    server: SshHost, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"bytes")
    paths = [server.path(str(tmp_path / name)) for name in ("pipe", "file")]

    ends = dict(server.read_files((path, 100) for path in paths))

    assert isinstance(ends[0], HostFileError)
    assert ends[1] == b"bytes"
    assert isinstance(dict(server.write_files((path, b"new") for path in paths))[0], HostFileError)


def test_many_files_go_on_when_the_connection_breaks(
    sshd: Sshd, server: SshHost, tmp_path: Path
) -> None:
    contents = [os.urandom(20_000 + number) for number in range(300)]
    paths = [server.path(str(tmp_path / str(number))) for number in range(300)]

    def files() -> Iterator[tuple[HostPath, bytes]]:
        for number, pair in enumerate(zip(paths, contents, strict=True)):
            if number in (100, 250):
                assert sshd.drop_connections()
            yield pair

    assert dict(server.write_files(files())) == dict.fromkeys(range(300))
    assert [Path(path.text).read_bytes() for path in paths] == contents
    read: dict[int, object] = {}
    for number, content in server.read_files((path, 100_000) for path in paths):
        if len(read) in (20, 200):
            sshd.drop_connections()
        read[number] = content
    assert read == dict(enumerate(contents))
    moves = [(path, path.parent.joined(f"{path.name}.moved")) for path in paths]
    assert server.rename(moves).ok == tuple(moves)


def test_a_server_that_stays_away_ends_the_whole_batch(sshd: Sshd, tmp_path: Path) -> None:
    fill_content(tmp_path / "from", 30)
    patience = Patience(retry_delays_seconds=(0.05,))
    host = open_host(
        replace(ssh_address(sshd), address="ssh://user@127.0.0.1:1", patience=patience)
    )
    items = _items(tmp_path / "from", LocalHost(), tmp_path / "to")
    with pytest.raises(ConnectionLostError):
        _copy(items, host, LocalHost())
    assert tree(tmp_path / "to") == {}
    host.close()
