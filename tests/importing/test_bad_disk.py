"""A medium that cannot be read, at any call of any kind: a failure, and never a matter of trust.

``open`` is a file or folder that cannot be opened, ``list`` and ``stat`` a folder that cannot be
listed or a name of which nothing can be said, ``read`` a file whose bytes do not come.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tasks.bundle.checksum_files import Documents
from tasks.bundle.plan import MediaLimits
from tasks.content.content_listing import ContentListing
from tasks.errors import AirGapError, HostFileError
from tasks.importing.incoming import open_incoming, prove
from tasks.importing.trusted_bundle import unpack
from tasks.run.context import RunContext
from tests.metadata import writing
from tests.support.bad_disk import CALLS, BadDisk, Call, endless, failing
from tests.support.bundles import FACTS, Workshop, fill_content, write_content

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="names descriptors by /proc")

# The first four are told apart somewhere; the others must go the way of the first.
CODES = (
    errno.EIO, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENOTCONN, errno.ESTALE, errno.EACCES,
)  # fmt: skip
_STEP = 4  # each code at every fourth call, so that four codes together try all of them
Work = Callable[[RunContext, Path], None]


class _Workshop(Workshop):
    """Makes bundles of two volumes with a file in parts, and with a package that can be indexed."""

    def documents(self, sequence: int = 1) -> Documents:
        documents = super().documents(sequence)
        writing.write_package(documents.package, [writing.Update(1)])
        return documents


@pytest.fixture
def bundle(disconnected: RunContext, tmp_path: Path) -> Path:
    """A bundle that the disconnected side trusts."""
    made = _Workshop(tmp_path / "workshop", limits=MediaLimits(160_000, 40_000))
    fill_content(made.content, 3)
    write_content(made.content, bytes(range(256)) * 500, "esd")
    header = made.header(made.pack())
    server = FACTS.model_copy(update={"id": writing.SERVER_ID})
    made.publish(header.model_copy(update={"server": server}))
    shutil.copy(made.root / "keys" / "signing.pub", disconnected.site.trust.trusted_keys[0])
    assert made.volume(1, 2).is_dir()
    return made.bundle()


def _verify(run: RunContext, bundle: Path) -> None:
    prove(run, open_incoming(run, [str(bundle)], to_import=False))


def _import(run: RunContext, bundle: Path) -> None:
    incoming = open_incoming(run, [str(bundle)], to_import=True)
    content = run.server.path(str(bundle.parent / "WsusContent"))
    listing = ContentListing(run.scratch / "listing.sqlite", content).fill([])
    try:
        unpack(run, incoming, listing, volume=None)
    finally:
        listing.close()
        shutil.rmtree(incoming.folder, ignore_errors=True)
        run.server.remove_tree(run.content_disk(content).intake)


@pytest.mark.parametrize("is_gone", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("work", [_verify, _import], ids=["verify", "import"])
def test_media_that_cannot_be_read_are_a_failure_and_never_refused_for_trust(
    disconnected: RunContext, bundle: Path, work: Work, call: Call, *, is_gone: bool
) -> None:
    failed = set()
    for shift, code in enumerate(CODES):
        for number in count(1 + shift % _STEP, _STEP):
            disk = BadDisk(bundle.parent, call, number, code, is_gone=is_gone)
            error = _error_of(work, disconnected, bundle, disk)
            if disk.path is None:
                break
            where = f"{errno.errorcode[code]} at {call} {number}, {disk.path}: {error!r}"
            is_above = disk.path in {str(bundle.parent), str(bundle)}
            if error is None:  # what lies beside the bundle is listed only where it can be
                assert is_above, where
                assert not is_gone, where
                continue
            assert isinstance(error, AirGapError), where
            is_missing = is_above and code in {errno.ENOENT, errno.ENOTDIR}
            assert error.exit_code in ({1, 64} if is_missing else {1}), where
            assert "Do not use this medium" not in error.next_step, where
            failed.add(disk.path)
    assert len(failed) >= 5
    work(disconnected, bundle)


def test_a_medium_that_is_pulled_in_mid_import_is_named_and_the_next_run_reads_only_the_rest(
    disconnected: RunContext, bundle: Path
) -> None:
    run = disconnected
    content = run.server.path(str(bundle.parent / "WsusContent"))
    intake = run.content_disk(content).intake

    def reads_of_an_unpacking(*, fails_at: int) -> int:
        disk = BadDisk(bundle.parent, "read", fails_at, errno.ENOTCONN, is_gone=True)
        listing = ContentListing(run.scratch / "listing.sqlite", content).fill([])
        try:
            with failing(disk):
                unpack(run, open_incoming(run, [str(bundle)], to_import=True), listing, volume=None)
        finally:
            listing.close()
        return disk.count

    whole = reads_of_an_unpacking(fails_at=10**6)
    run.server.remove_tree(intake)
    with pytest.raises(HostFileError) as pulled:
        reads_of_an_unpacking(fails_at=whole - 2)
    rest = reads_of_an_unpacking(fails_at=10**6)

    assert rest < whole
    assert pulled.value.exit_code == 1
    assert pulled.value.message.count(str(bundle)) == 1
    assert os.strerror(errno.ENOTCONN) in pulled.value.message
    assert "Put it in again, or take another copy of the bundle" in pulled.value.next_step


@pytest.mark.parametrize("inside", ["", "volume-001", "volume-001/content", "a content folder"])
def test_a_bundle_with_names_without_end_is_refused_by_name(
    disconnected: RunContext, bundle: Path, inside: str
) -> None:
    content = bundle / "volume-001" / "content"
    folder = next(content.iterdir()) if inside == "a content folder" else bundle / inside
    with endless(folder), pytest.raises(HostFileError, match="more than 100,000 names") as refused:
        _verify(disconnected, bundle)
    assert str(folder) in refused.value.message
    assert "Take away what does not belong there" in refused.value.next_step


def test_names_without_end_beside_a_bundle_do_not_stop_it(
    disconnected: RunContext, bundle: Path
) -> None:
    with endless(bundle.parent):
        _verify(disconnected, bundle)
    assert any("more than 100,000 names" in line for line in disconnected.report.lines)


def _error_of(work: Work, run: RunContext, bundle: Path, disk: BadDisk) -> Exception | None:
    with failing(disk):
        try:
            work(run, bundle)
        except Exception as error:  # noqa: BLE001  what is none of ours is what the test looks for
            return error
    return None
