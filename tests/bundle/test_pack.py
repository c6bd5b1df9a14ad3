"""Packing: what lies on the media, and what a second run does."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tasks.bundle.layout import BLAKE3SUMS, CONTENT, HEADER, SHA1SUMS
from tasks.bundle.pack import CACHE_DROPPED, CACHE_KEPT, read_back
from tasks.bundle.plan import MediaLimits
from tasks.content.scan import scan
from tasks.errors import AirGapError, BatchFailedError, HostFileError
from tasks.hosts.host import Host, Space
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.refusals import RoomError, SafetyError
from tests.support import needs
from tests.support.bundles import Workshop, fill_content, tree, write_content
from tests.support.memory_host import MemoryHost

SMALL = MediaLimits(160_000, 40_000)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    fill_content(made.content, 40)
    return made


def _in_parts(workshop: Workshop) -> bytes:
    workshop.limits = SMALL
    large = bytes(range(256)) * 500
    write_content(workshop.content, large, "esd")
    return large


def test_a_bundle_has_the_files_of_the_format_and_every_content_file(workshop: Workshop) -> None:
    header = workshop.export()

    found = tree(workshop.volume())
    documents = {name for name in found if not name.startswith("content/")}
    assert documents == {
        "header.json", "BLAKE3SUMS", "SHA1SUMS", "manifest.jsonl", "metadata.xml.gz",
        "approvals.jsonl",
    }  # fmt: skip
    content = {name: data for name, data in found.items() if name not in documents}
    assert content == {f"content/{path}": data for path, data in tree(workshop.content).items()}
    assert header.counts.carried_files == len(content) == header.counts.files
    assert workshop.trusted().digest == header.digest


@needs.b3sum
@pytest.mark.parametrize("in_parts", [False, True], ids=["one volume", "volumes and parts"])
def test_b3sum_and_sha1sum_agree_without_our_code(workshop: Workshop, *, in_parts: bool) -> None:
    if in_parts:
        _in_parts(workshop)
    header = workshop.export()

    listed = set()
    for volume in header.volumes:
        folder = workshop.volume(1, volume.number)
        for program, name in (("b3sum", BLAKE3SUMS), ("sha1sum", SHA1SUMS)):
            done = subprocess.run(
                [program, "--check", name], cwd=folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
            paths = {line.split("  ", 1)[1] for line in (folder / name).read_text().splitlines()}
            assert paths == set(tree(folder)) - {HEADER, BLAKE3SUMS, SHA1SUMS}
            listed |= {path for path in paths if path.startswith(CONTENT)}
    assert sum(volume.files for volume in header.volumes) == len(listed)


def test_a_large_file_travels_in_parts_that_join_to_it(workshop: Workshop) -> None:
    large = _in_parts(workshop)

    header = workshop.export()

    (entry,) = [entry for entry in workshop.manifest() if entry.parts]
    assert len(entry.parts) == 4
    assert entry.sha1.raw == hashlib.sha1(large).digest()
    joined = b""
    for number, part in enumerate(entry.parts, start=1):
        name = f"{entry.name.text}.part-{number:03d}"
        joined += (
            workshop.volume(1, part.volume) / CONTENT / entry.name.folder / name
        ).read_bytes()
    assert joined == large
    assert len(header.volumes) > 1
    assert not workshop.verify().faults


def test_the_second_bundle_carries_only_what_is_new_and_names_all(workshop: Workshop) -> None:
    first = workshop.export()
    new = write_content(workshop.content, b"a month later")

    second = workshop.export(2, previous=first)

    assert second.counts.carried_files == 1
    assert second.counts.files == first.counts.files + 1
    assert [e.name for e in workshop.manifest(2) if e.is_carried] == [new]
    assert second.base == first.reference
    assert not workshop.verify(sequence=2).faults


def test_a_bundle_that_carries_nothing_is_whole(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    first = workshop.export()

    second = workshop.export(2, previous=first)

    assert second.counts.files == 0
    assert not (workshop.volume(2) / CONTENT).exists()
    assert not workshop.verify(sequence=2).faults


def test_a_file_that_rotted_on_the_server_is_left_out_by_name(workshop: Workshop) -> None:
    name = write_content(workshop.content, b"good")
    (workshop.content / name.folder / name.text).write_bytes(b"evil")

    packed = workshop.pack()
    workshop.publish(workshop.header(packed))

    (left_out,) = packed.left_out
    assert left_out.name == name
    assert "SHA-1" in left_out.error.message
    assert name not in [entry.name for entry in workshop.manifest()]
    assert not workshop.verify().faults


def test_a_large_file_that_rotted_is_left_out_with_all_its_parts(workshop: Workshop) -> None:
    _in_parts(workshop)
    (path,) = [path for path in workshop.content.rglob("*.esd") if path.stat().st_size == 128_000]
    path.write_bytes(bytes(128_000))

    packed = workshop.pack()
    workshop.publish(workshop.header(packed))

    assert [left.name.text for left in packed.left_out] == [path.name]
    assert not workshop.verify().faults


class _CountingHost(LocalHost):
    """Counts what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []

    def write(self, path: HostPath, chunks: Iterable[bytes | memoryview]) -> int:
        self.written.append(path.name)
        return super().write(path, chunks)

    def write_files(
        self, files: Iterable[tuple[HostPath, bytes]]
    ) -> Iterator[tuple[int, AirGapError | None]]:
        listed = list(files)
        self.written += [path.name for path, _ in listed]
        return super().write_files(listed)


@pytest.mark.parametrize("in_parts", [False, True], ids=["one volume", "volumes and parts"])
def test_what_lies_there_whole_is_not_written_again(workshop: Workshop, *, in_parts: bool) -> None:
    if in_parts:
        _in_parts(workshop)
    workshop.pack()
    before = tree(workshop.bundle())
    counting = _CountingHost()
    workshop.media = counting

    header = workshop.export()

    assert set(counting.written) == {"header.json.~part"}
    after = tree(workshop.bundle())
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + len(header.volumes)


def test_what_lies_there_with_other_bytes_is_written_again(workshop: Workshop) -> None:
    workshop.pack()
    before = tree(workshop.bundle())
    files = sorted((workshop.volume() / CONTENT).rglob("*.cab"))
    files[0].write_bytes(bytes(files[0].stat().st_size))
    files[1].write_bytes(b"short")

    workshop.pack()

    assert tree(workshop.bundle()) == before


def test_a_file_whose_bytes_we_never_read_is_not_adopted_from_the_medium(
    workshop: Workshop,
) -> None:
    """Somebody may have put a SHA-1 collision there; only our own memory vouches for BLAKE3."""
    workshop.pack()
    (workshop.root / "state" / "hashes.sqlite").unlink()
    counting = _CountingHost()
    workshop.media = counting

    workshop.pack()

    written = {name for name in counting.written if name.endswith(".cab.~part")}
    assert len(written) == len(set(workshop.content.rglob("*.cab")))


def test_leftovers_of_an_unfinished_run_are_removed(workshop: Workshop) -> None:
    workshop.pack()
    before = tree(workshop.bundle())
    other = write_content(workshop.volume() / CONTENT, b"of another plan")
    folder = workshop.volume() / CONTENT / other.folder
    (folder / (other.text + ".~part")).write_bytes(b"half")
    (folder / (other.text + ".part-001")).write_bytes(b"part")
    (workshop.volume() / "manifest.jsonl.~part").write_bytes(b"half")
    write_content(workshop.volume(1, 2) / CONTENT, b"of a volume that is no more")

    workshop.pack()

    assert tree(workshop.bundle()) == before
    assert not folder.exists() or any(folder.iterdir())
    assert not workshop.volume(1, 2).exists()


@pytest.mark.parametrize(
    "path",
    ["notes.txt", "volume-001/notes.txt", "volume-001/content/notes", "volume-001/content/0A/x"],
)
def test_a_strangers_file_stops_packing_and_stays(workshop: Workshop, path: str) -> None:
    stranger = workshop.bundle() / path
    stranger.parent.mkdir(parents=True)
    stranger.write_text("mine")

    with pytest.raises(SafetyError, match="not ours"):
        workshop.pack()

    assert tree(workshop.bundle()) == {path: b"mine"}


def test_a_file_where_the_bundles_folder_goes_is_a_strangers_too(workshop: Workshop) -> None:
    stranger = workshop.bundle()
    stranger.parent.mkdir(parents=True, exist_ok=True)
    stranger.write_text("mine")

    with pytest.raises(SafetyError, match="not ours"):
        workshop.pack()

    assert stranger.read_text() == "mine"


def test_an_old_seal_goes_before_anything_else_is_written(workshop: Workshop) -> None:
    workshop.export()
    write_content(workshop.content, b"one more")

    class StopsAtContent(LocalHost):
        def write_files(
            self, files: Iterable[tuple[HostPath, bytes]]
        ) -> Iterator[tuple[int, AirGapError | None]]:
            for _ in files:
                raise KeyboardInterrupt
            yield from super().write_files(files)

    workshop.media = StopsAtContent()
    with pytest.raises(KeyboardInterrupt):
        workshop.pack()

    assert not (workshop.volume() / HEADER).exists()


def test_a_medium_whose_size_is_not_reported_is_tried(workshop: Workshop) -> None:
    class Silent(LocalHost):
        def space(self, folder: HostPath) -> Space:  # noqa: ARG002
            return Space(free_bytes=None, file_system="fuse")

    workshop.media = Silent()
    workshop.pack()

    assert any(path.is_file() for path in workshop.volume().rglob("*"))


def test_a_medium_that_is_too_small_is_refused_before_anything_is_written(
    workshop: Workshop,
) -> None:
    class Full(LocalHost):
        def space(self, folder: HostPath) -> Space:  # noqa: ARG002
            return Space(free_bytes=1_000, file_system="ext4")

    workshop.media = Full()

    with pytest.raises(RoomError, match=r"1\.0 kB free"):
        workshop.pack()

    assert not workshop.bundle().exists()


def test_reading_back_finds_a_byte_that_the_medium_changed(workshop: Workshop) -> None:
    _in_parts(workshop)
    workshop.pack()
    job = workshop.job()

    done = read_back(job)

    assert done.files == sum(entry.is_carried for entry in workshop.manifest())
    assert done.method in (CACHE_DROPPED, CACHE_KEPT)
    path = next((workshop.volume() / CONTENT).rglob("*.cab"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BatchFailedError, match=path.name):
        read_back(job)


def test_too_many_failures_end_packing(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    fill_content(workshop.content, 1_200, most_bytes=20)

    class Broken(LocalHost):
        def read_files(
            self, files: Iterable[tuple[HostPath, int]]
        ) -> Iterator[tuple[int, bytes | AirGapError]]:
            for number, _ in enumerate(files):
                yield number, b"x" * 100

    workshop.server = Broken()

    with pytest.raises(BatchFailedError, match="1001 of"):
        workshop.pack()


def test_a_plan_scans_what_a_scan_scans(workshop: Workshop) -> None:
    host: Host = LocalHost()

    plan = workshop.plan()

    assert plan.files == len(list(scan(host, host.path(str(workshop.content)))))


def test_the_first_volume_gets_its_seal_last(tmp_path: Path) -> None:
    """A set that looks whole from its first volume is whole."""
    medium = MemoryHost()
    medium.make_folder(medium.path(str(tmp_path / "media")))
    workshop = Workshop(tmp_path, media=medium, limits=MediaLimits(150_000, 30_000))
    fill_content(workshop.content, 40)
    write_content(workshop.content, bytes(range(256)) * 400, "esd")
    header = workshop.header(workshop.pack())
    assert len(header.volumes) > 1

    for changes in range(1_000):
        medium.fail_after(changes, HostFileError(operation="write", path="x", reason="gone"))
        try:
            workshop.publish(header)
        except HostFileError:
            paths = [workshop.volume(1, volume.number) / HEADER for volume in header.volumes]
            sealed = [medium.stat(medium.path(str(path))) is not None for path in paths]
            assert all(sealed) or not sealed[0]
        else:
            break
    medium.fail_after(1_000_000, HostFileError(operation="write", path="x", reason="gone"))
    assert not workshop.verify().faults
