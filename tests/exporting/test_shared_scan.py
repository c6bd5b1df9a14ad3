"""One listing of WsusContent serves all sites of a staging server until a folder changes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName
from tasks.exporting import shared_scan
from tasks.hosts.host import FileStat
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.run.context import RunContext
from tests.metadata.facts import server_facts
from tests.support.bundles import NOW, fill_content, write_content
from tests.support.runs import open_test_run, write_site_file

_LONG_AGO = NOW.timestamp() - 3_600


class Remote(LocalHost):
    """A host that, as over SSH, tells no states of folders; it notes which folders it lists."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: list[str] = []

    def folder_states(
        self, folder: HostPath, whole: Sequence[str], names_only: Sequence[str] = ()
    ) -> None:
        """Say that listing is the quickest."""

    def list_folder(self, folder: HostPath, *, must_exist: bool = False) -> list[FileStat]:
        self.listed.append(folder.name)
        return super().list_folder(folder, must_exist=must_exist)


@pytest.fixture
def names(tmp_path: Path) -> list[ContentName]:
    made = fill_content(tmp_path / "WsusContent", 5)
    settle(tmp_path)
    return made


def settle(tmp_path: Path) -> None:
    """Let the last change of each folder be long ago."""
    for folder in (tmp_path / "WsusContent").iterdir():
        os.utime(folder, (_LONG_AGO, _LONG_AGO))


@contextmanager
def run_of(tmp_path: Path, site: str) -> Iterator[tuple[RunContext, Remote]]:
    """A run of one of the sites, which have one server and one work folder."""
    folder = tmp_path / site
    if not folder.exists():
        folder.mkdir()
        path = write_site_file(folder, side="staging")
        text = path.read_text(encoding="utf-8").replace('"alpha"', f'"{site}"')
        path.write_text(text.replace('"work"', f'"{tmp_path / "work"}"'), encoding="utf-8")
    with open_test_run(folder / "site.toml") as opened:
        host = Remote()
        run = replace(opened, server=host)
        run.make_folders()
        yield run, host


def scan(tmp_path: Path, site: str) -> tuple[list[ContentName], list[str]]:
    """Names of a scan, and which content folders were listed for it."""
    with run_of(tmp_path, site) as (run, host):
        listing: ContentListing = shared_scan.scan_content(
            run, server_facts(content_dir=str(tmp_path / "WsusContent"), clock=NOW)
        )
        return [file.name for file in listing], [name for name in host.listed if len(name) == 2]


def test_another_site_lists_no_folder_again(tmp_path: Path, names: list[ContentName]) -> None:
    folders = {name.folder for name in names}
    first, listed = scan(tmp_path, "alpha")
    assert set(listed) == folders

    second, again = scan(tmp_path, "beta")
    assert (second, again) == (first, [])
    assert set(second) == set(names)


def test_a_folder_that_changed_since_has_everything_listed_again(
    tmp_path: Path, names: list[ContentName]
) -> None:
    scan(tmp_path, "alpha")
    new = write_content(tmp_path / "WsusContent", b"it came since")
    settle(tmp_path)
    (folder,) = (tmp_path / "WsusContent").glob(new.folder)
    os.utime(folder, (_LONG_AGO + 5, _LONG_AGO + 5))

    found, listed = scan(tmp_path, "beta")

    assert new in found
    assert len(listed) >= len({name.folder for name in names})


def test_a_folder_that_may_be_changing_is_never_believed(
    tmp_path: Path, names: list[ContentName]
) -> None:
    (folder,) = (tmp_path / "WsusContent").glob(names[0].folder)
    os.utime(folder, (NOW.timestamp(), NOW.timestamp()))
    scan(tmp_path, "alpha")

    _, listed = scan(tmp_path, "beta")

    assert set(listed) == {name.folder for name in names}


@pytest.mark.parametrize("file", ["content.sqlite", "scan.json"])
def test_a_damaged_list_is_not_used(tmp_path: Path, names: list[ContentName], file: str) -> None:
    first, _ = scan(tmp_path, "alpha")
    (shared,) = (tmp_path / "work" / "scans").glob(f"*/{file}")
    shared.write_bytes(shared.read_bytes()[:-1] + b"x")

    second, listed = scan(tmp_path, "beta")

    assert second == first
    assert set(listed) == {name.folder for name in names}
