"""What a scan of WsusContent reads again, and what it believes of earlier runs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName
from tasks.run.context import RunContext
from tasks.server.content_scan import prove_content, scan_content
from tests.metadata.facts import server_facts
from tests.support.bundles import fill_content, write_content
from tests.support.runs import open_test_run, set_keys, write_site_file


@pytest.fixture
def names(tmp_path: Path) -> list[ContentName]:
    """Content files that are older than the clock of the runs."""
    names = fill_content(tmp_path / "WsusContent", 5)
    for name in names:
        os.utime(path_of(tmp_path, name), (1_000_000_000, 1_000_000_000))
    return names


def path_of(folder: Path, name: ContentName) -> Path:
    return folder / "WsusContent" / name.folder / name.text


def scan(run: RunContext, tmp_path: Path) -> ContentListing:
    return scan_content(run, server_facts(content_dir=str(tmp_path / "WsusContent")))


def test_a_scan_reads_nothing_and_a_proof_reads_once(
    disconnected: RunContext, tmp_path: Path, names: list[ContentName]
) -> None:
    first = scan(disconnected, tmp_path)
    assert len(list(first.unproved())) == len(names)
    assert prove_content(disconnected, first) == len(names)
    assert prove_content(disconnected, first) == 0
    assert all(file.digests and file.digests.sha1 == file.name.digest for file in first)

    again = scan(disconnected, tmp_path)
    assert list(again.unproved()) == []
    assert prove_content(disconnected, again) == 0
    assert prove_content(disconnected, again, everything=True) == len(names)


def test_only_what_changed_since_is_read_again(
    disconnected: RunContext, tmp_path: Path, names: list[ContentName]
) -> None:
    prove_content(disconnected, scan(disconnected, tmp_path))
    os.utime(path_of(tmp_path, names[1]), (1, 1))
    new = write_content(tmp_path / "WsusContent", b"new")

    listing = scan(disconnected, tmp_path)

    assert {file.name for file in listing.unproved()} == {names[1], new}
    assert prove_content(disconnected, listing) == 2


def test_a_file_that_rots_without_a_trace_is_found_when_everything_is_read(
    disconnected: RunContext, tmp_path: Path, names: list[ContentName]
) -> None:
    prove_content(disconnected, scan(disconnected, tmp_path))
    path = path_of(tmp_path, names[2])
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    listing = scan(disconnected, tmp_path)
    prove_content(disconnected, listing)
    believed = listing.look_up(names[2])
    assert believed is not None
    assert believed.is_valid

    prove_content(disconnected, listing, everything=True)
    valid = {name: (found := listing.look_up(name)) and found.is_valid for name in names}
    assert valid == {name: name != names[2] for name in names}

    # And it is remembered: the next scan believes the bad digest, not the good one.
    found = scan(disconnected, tmp_path).look_up(names[2])
    assert found is not None
    assert found.is_valid is False


def test_a_file_that_is_gone_when_it_is_read_is_no_proof_of_anything(
    disconnected: RunContext, tmp_path: Path, names: list[ContentName]
) -> None:
    listing = scan(disconnected, tmp_path)
    path_of(tmp_path, names[3]).unlink()
    assert prove_content(disconnected, listing) == len(names)
    found = listing.look_up(names[3])
    assert found is not None
    assert found.is_valid is False
    assert not disconnected.hash_cache.knows(names[3].digest)


def test_the_site_files_content_folder_goes_before_the_servers_and_is_remembered(
    tmp_path: Path, names: list[ContentName]
) -> None:
    site = write_site_file(tmp_path, side="disconnected")
    content_dir = str(tmp_path / "WsusContent")
    set_keys(site, work_dir=str(tmp_path / "work"))
    text = site.read_text(encoding="utf-8")
    site.write_text(
        text.replace("[server]", f'[server]\ncontent_dir = "{content_dir}"'), encoding="utf-8"
    )
    with open_test_run(site) as run:
        listing = scan_content(run, server_facts(content_dir="/elsewhere"))
        assert listing.totals()[0] == len(names)
        assert run.ledger.content_dir == content_dir
