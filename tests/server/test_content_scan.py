"""What a scan of WsusContent reads again, and what it believes of earlier runs."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.content.content_listing import ContentListing
from tasks.content.names import ContentName
from tasks.run.context import RunContext
from tasks.server.content_scan import prove_content, prove_rotating, scan_content
from tests.metadata.facts import server_facts
from tests.support.bundles import NOW, fill_content, write_content
from tests.support.runs import open_test_run, write_site_file


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return write_site_file(tmp_path, side="disconnected")


@pytest.fixture
def names(site: Path) -> list[ContentName]:
    return fill_content(site.parent / "WsusContent", 5)


def path_of(site: Path, name: ContentName) -> Path:
    return site.parent / "WsusContent" / name.folder / name.text


def scan(run: RunContext) -> ContentListing:
    content_dir = run.site.path.parent / "WsusContent"
    return scan_content(run, server_facts(content_dir=str(content_dir)))


def prove_once(site: Path) -> None:
    """Read all content, in a run before the one that is tested."""
    with open_test_run(site) as run:
        prove_content(run, scan(run))


def test_a_scan_reads_nothing_and_a_proof_reads_once(site: Path, names: list[ContentName]) -> None:
    with open_test_run(site) as run:
        listing = scan(run)
        assert len(list(listing.unproved())) == len(names)
        assert prove_content(run, listing) == len(names)
        assert prove_content(run, listing) == 0
        assert all(file.digests and file.digests.sha1 == file.name.digest for file in listing)
    with open_test_run(site) as run:
        listing = scan(run)
        assert list(listing.unproved()) == []
        assert prove_content(run, listing) == 0
        assert prove_content(run, listing, everything=True) == len(names)


def test_scheduled_audits_read_everything_again_within_the_period(
    site: Path, names: list[ContentName]
) -> None:
    prove_once(site)
    read = 0
    for day in range(0, 91, 9):
        with open_test_run(site, now=NOW + timedelta(days=day)) as run:
            this_time = prove_rotating(run, scan(run))
        read += this_time

    assert read >= len(names)


def test_only_what_changed_since_is_read_again(site: Path, names: list[ContentName]) -> None:
    prove_once(site)
    os.utime(path_of(site, names[1]), (1, 1))
    new = write_content(site.parent / "WsusContent", b"new")
    with open_test_run(site) as run:
        listing = scan(run)
        assert {file.name for file in listing.unproved()} == {names[1], new}
        assert prove_content(run, listing) == 2


def test_content_that_was_moved_is_proved_once_at_its_new_place(
    site: Path, names: list[ContentName]
) -> None:
    prove_once(site)  # then an administrator runs wsusutil movecontent
    place = site.parent / "WsusContent"
    moved = place.rename(site.parent / "elsewhere")
    with open_test_run(site) as run:
        listing = scan_content(run, server_facts(content_dir=str(moved)))
        assert len(list(listing)) == len(names)
        assert prove_content(run, listing) == len(names)
        assert prove_content(run, listing) == 0
        assert all(file.digests and file.digests.sha1 == file.name.digest for file in listing)


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_link_among_the_content_folders_is_named_and_nobody_is_told_to_remove_it(
    site: Path, names: list[ContentName]
) -> None:
    folder = path_of(site, names[0]).parent
    folder.rename(site.parent / "bigger disk")
    folder.symlink_to(site.parent / "bigger disk")
    with open_test_run(site) as run:
        listing = scan(run)
        assert listing.look_up(names[0]) is None
        (notice,) = run.report.notices
    assert notice.startswith(f"links in {folder.parent}: {folder.name}. ")
    assert "wsusutil movecontent" in notice
    assert "remove nothing" in notice


def test_a_file_that_rots_without_a_trace_is_found_when_everything_is_read(
    site: Path, names: list[ContentName]
) -> None:
    prove_once(site)
    path = path_of(site, names[2])
    before = path.stat()
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def valid_of(listing: ContentListing) -> dict[ContentName, bool | None]:
        found = {name: listing.look_up(name) for name in names}
        return {name: file.is_valid for name, file in found.items() if file is not None}

    rotten = {name: name != names[2] for name in names}
    with open_test_run(site) as run:
        listing = scan(run)
        assert prove_content(run, listing) == 0
        assert valid_of(listing) == dict.fromkeys(names, True)
        prove_content(run, listing, everything=True)
        assert valid_of(listing) == rotten
    with open_test_run(site) as run:
        assert valid_of(scan(run)) == rotten


def test_a_file_that_is_gone_when_it_is_read_is_no_proof_of_anything(
    site: Path, names: list[ContentName]
) -> None:
    with open_test_run(site) as run:
        listing = scan(run)
        path_of(site, names[3]).unlink()
        assert prove_content(run, listing) == len(names)
        found = listing.look_up(names[3])
        assert found is not None
        assert found.is_valid is False
    with open_test_run(site) as run:
        assert not run.hash_cache.knows(names[3].digest)
        assert run.hash_cache.knows(names[0].digest)


def test_the_site_files_content_folder_goes_before_the_servers_and_is_remembered(
    site: Path, names: list[ContentName]
) -> None:
    content_dir = str(site.parent / "WsusContent")
    text = site.read_text(encoding="utf-8")
    site.write_text(
        text.replace("[server]", f'[server]\ncontent_dir = "{content_dir}"'), encoding="utf-8"
    )
    with open_test_run(site) as run:
        listing = scan_content(run, server_facts(content_dir="/elsewhere"))
        assert listing.totals()[0] == len(names)
        assert run.ledger.content_dir == content_dir
