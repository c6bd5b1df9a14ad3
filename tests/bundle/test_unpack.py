"""Reading bundles: good ones come out as they went in, bad ones are refused by name."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.bundle.documents import unpack_documents
from tasks.bundle.faults import printable, raise_for_faults
from tasks.bundle.layout import APPROVALS, BLAKE3SUMS, CONTENT, HEADER, MANIFEST, PACKAGE, SHA1SUMS
from tasks.bundle.manifest import Entry, last_volume, write_manifest
from tasks.bundle.opened_bundle import OpenedBundle
from tasks.bundle.plan import MediaLimits
from tasks.bundle.trusted_manifest import TrustedManifest
from tasks.bundle.unpack import (
    ContentRead,
    Intake,
    Treatment,
    unpack_content,
)
from tasks.errors import (
    AirGapError,
    BundleIncompleteError,
    HostFileError,
    PathMissingError,
    UsageError,
)
from tasks.hosts.local import LocalHost
from tasks.hosts.paths import HostPath
from tasks.refusals import SealError, TamperError, TrustError, UndeclaredFileError, WrongSiteError
from tests.support.bundles import Workshop, fill_content, tree, write_content
from tests.support.memory_host import MemoryHost

SMALL = MediaLimits(160_000, 40_000)


def make(root: Path, *, files: int = 40, volumes: bool = False) -> Workshop:
    workshop = Workshop(root)
    fill_content(workshop.content, files)
    if volumes:
        workshop.limits = SMALL
        write_content(workshop.content, bytes(range(256)) * 500, "esd")
    workshop.export()
    return workshop


def unpack(
    workshop: Workshop,
    *folders: Path,
    choose: Callable[[Entry], Treatment] | None = None,
) -> tuple[OpenedBundle, ContentRead]:
    """Read a bundle into ``root/intake`` and ``root/documents``, and raise what is wrong."""
    bundle = workshop.open(*folders)
    documents_folder = workshop.root / "documents"
    intake = workshop.root / "intake"
    for folder in (documents_folder, intake):
        folder.mkdir(exist_ok=True)
    documents = unpack_documents(bundle, documents_folder)
    read = ContentRead()
    if documents.manifest is not None:
        host = LocalHost()
        read = unpack_content(
            bundle,
            documents.manifest,
            intake=Intake(host, host.path(str(intake))),
            choose=choose,
        )
    raise_for_faults(bundle.header.bundle, bundle.faults)
    return bundle, read


@pytest.mark.parametrize("volumes", [False, True], ids=["one volume", "volumes and parts"])
def test_what_was_packed_comes_out(tmp_path: Path, *, volumes: bool) -> None:
    workshop = make(tmp_path, volumes=volumes)

    _, read = unpack(workshop)

    assert tree(tmp_path / "intake") == tree(workshop.content)
    assert read.written == len(workshop.manifest())
    sent = workshop.folder(1)
    for name in (MANIFEST, PACKAGE, APPROVALS):
        assert (tmp_path / "documents" / name).read_bytes() == (sent / name).read_bytes()


@settings(max_examples=12)
@given(
    st.dictionaries(st.binary(max_size=3_000), st.sampled_from(["cab", "EXE", "txt", ""])),
    st.sampled_from([MediaLimits(None, 4_294_967_295), MediaLimits(90_000, 1_000)]),
)
def test_unpacking_is_the_inverse_of_packing(
    tmp_path_factory: pytest.TempPathFactory, files: dict[bytes, str], limits: MediaLimits
) -> None:
    workshop = Workshop(tmp_path_factory.mktemp("law"), limits=limits)
    for content, extension in files.items():
        write_content(workshop.content, content, extension)
    workshop.export()

    unpack(workshop)

    assert tree(workshop.root / "intake") == tree(workshop.content)


def test_only_what_is_chosen_is_brought_or_read(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    entries = workshop.manifest()
    treatments: list[Treatment] = ["copy", "prove"]
    chosen = {entry.name: treatments[n % 2] for n, entry in enumerate(entries)}

    _, read = unpack(workshop, choose=lambda entry: chosen[entry.name])

    counts = [list(chosen.values()).count(treatment) for treatment in treatments]
    assert [read.written, read.proved] == counts
    expected = {name.text for name, treatment in chosen.items() if treatment == "copy"}
    assert {Path(path).name for path in tree(tmp_path / "intake")} == expected


def test_an_interrupted_import_uses_what_it_brought_and_proves_it(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    unpack(workshop)
    whole = tree(tmp_path / "intake")
    files = sorted(path for path in (tmp_path / "intake").rglob("*") if path.is_file())
    nonempty = [path for path in files if path.stat().st_size > 10]
    nonempty[0].unlink()
    nonempty[1].write_bytes(bytes(nonempty[1].stat().st_size))
    nonempty[2].write_bytes(b"half")

    _, read = unpack(workshop)

    assert (read.written, read.adopted) == (3, len(files) - 3)
    assert tree(tmp_path / "intake") == whole


def test_content_reaches_another_machine(tmp_path: Path) -> None:
    workshop = make(tmp_path, volumes=True)
    server = MemoryHost()
    server.make_folder(server.path("/intake"))
    bundle = workshop.open()
    (tmp_path / "documents").mkdir()
    documents = unpack_documents(bundle, tmp_path / "documents")
    assert documents.manifest is not None

    unpack_content(bundle, documents.manifest, intake=Intake(server, server.path("/intake")))

    assert not bundle.faults
    for path, content in tree(workshop.content).items():
        found = server.read(server.path(f"/intake/{path}"))
        assert b"".join(map(bytes, found)) == content


def test_volumes_may_come_from_several_media(tmp_path: Path) -> None:
    workshop = make(tmp_path, volumes=True)
    media = []
    for volume in sorted(workshop.bundle().iterdir()):
        disc = tmp_path / f"disc-{volume.name}" / workshop.bundle().name
        disc.mkdir(parents=True)
        volume.rename(disc / volume.name)
        media.append(disc)

    unpack(workshop, *media)

    assert len(media) > 1
    assert tree(tmp_path / "intake") == tree(workshop.content)


def test_a_damaged_file_is_taken_from_another_copy(tmp_path: Path) -> None:
    workshop = make(tmp_path, volumes=True)
    copy = tmp_path / "copy"
    shutil.copytree(workshop.bundle(), copy)
    damaged = sorted((workshop.volume() / CONTENT).rglob("*.*"))
    spoil(damaged[0])
    damaged[1].unlink()
    damaged[2].write_bytes(b"short")
    other = sorted((copy / "volume-001" / CONTENT).rglob("*.*"))
    spoil(other[4])
    for part in (copy / "volume-001" / CONTENT).rglob("*.part-*"):
        spoil(part)

    unpack(workshop, workshop.bundle(), copy)

    assert tree(tmp_path / "intake") == tree(workshop.content)


@pytest.mark.parametrize("first", [True, False], ids=["copy named first", "copy named last"])
@pytest.mark.parametrize("how", ["other bytes", "shorter", "gone"])
def test_a_document_list_or_seal_damaged_on_one_copy_is_taken_from_the_other(
    tmp_path: Path, how: str, *, first: bool
) -> None:
    workshop = make(tmp_path, files=4)
    copy = tmp_path / "copy"
    folders = [copy, workshop.bundle()] if first else [workshop.bundle(), copy]
    for name in (HEADER, BLAKE3SUMS, SHA1SUMS, MANIFEST, PACKAGE, APPROVALS):
        shutil.copytree(workshop.bundle(), copy)
        path = copy / "volume-001" / name
        content = path.read_bytes()
        path.unlink()
        if how != "gone":
            path.write_bytes(content[:-1])
        if how == "other bytes":
            path.write_bytes(content)
            spoil(path)

        bundle, _ = unpack(workshop, *folders)

        assert not bundle.faults
        # Of a copy that was not needed nothing is read but what says which bundle it is.
        read = first or name == HEADER
        assert [fault.path for fault in bundle.faults.recovered] == [str(path)] * read
        shutil.rmtree(copy)


def test_a_folder_under_a_files_name_on_one_copy_is_refused_although_the_other_is_whole(
    tmp_path: Path,
) -> None:
    workshop = make(tmp_path, files=4)
    copy = tmp_path / "copy"
    shutil.copytree(workshop.bundle(), copy)
    path = next((copy / "volume-001" / CONTENT).rglob("*.*"))
    path.unlink()
    path.mkdir()

    with pytest.raises(UndeclaredFileError):
        unpack(workshop, workshop.bundle(), copy)


def test_a_seal_damaged_on_every_copy_is_refused(tmp_path: Path) -> None:
    workshop = make(tmp_path, files=4)
    spoil(workshop.volume() / HEADER)
    copy = tmp_path / "copy"
    shutil.copytree(workshop.bundle(), copy)

    with pytest.raises(SealError):
        unpack(workshop, workshop.bundle(), copy)


def test_a_file_damaged_on_both_copies_is_refused(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    copy = tmp_path / "copy"
    spoil(next((workshop.volume() / CONTENT).rglob("*.cab")))
    shutil.copytree(workshop.bundle(), copy)

    with pytest.raises(TamperError):
        unpack(workshop, workshop.bundle(), copy)


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def make_pipe(path: Path) -> None:
    if sys.platform != "win32":
        os.mkfifo(path)


def first_content(workshop: Workshop) -> Path:
    return next((workshop.volume() / CONTENT).rglob("*.cab"))


def _replace(path: Path, make_it: Callable[[Path], object]) -> None:
    path.unlink()
    make_it(path)


Edit = Callable[[Workshop], object]
REFUSALS: list[tuple[str, Edit, type[AirGapError], str]] = [
    ("no header", lambda w: (w.volume() / HEADER).unlink(), SealError, "no header.json"),
    ("header is a folder", lambda w: _replace(w.volume() / HEADER, Path.mkdir), SealError, "plain"),
    ("header is giant",
     lambda w: (w.volume() / HEADER).write_bytes(b" " * 70_000), SealError, "larger"),
    ("changed package", lambda w: spoil(w.volume() / PACKAGE), TamperError, "BLAKE3"),
    ("changed approvals", lambda w: spoil(w.volume() / APPROVALS), TamperError, "BLAKE3"),
    ("changed manifest", lambda w: spoil(w.volume() / MANIFEST), TamperError, "BLAKE3"),
    ("changed list", lambda w: spoil(w.volume() / BLAKE3SUMS), TamperError, "BLAKE3"),
    ("changed other list", lambda w: spoil(w.volume() / SHA1SUMS), TamperError, "BLAKE3"),
    ("changed content", lambda w: spoil(first_content(w)), TamperError, "expected"),
    ("content cut short", lambda w: first_content(w).write_bytes(b"x"), TamperError, "1 bytes"),
    ("manifest grown", lambda w: grow(w.volume() / MANIFEST), TamperError, "bytes"),
    ("missing content", lambda w: first_content(w).unlink(), BundleIncompleteError, "there: 1,"),
    ("missing package",
     lambda w: (w.volume() / PACKAGE).unlink(), BundleIncompleteError, PACKAGE),
    ("missing manifest",
     lambda w: (w.volume() / MANIFEST).unlink(), BundleIncompleteError, MANIFEST),
    ("missing list",
     lambda w: (w.volume() / SHA1SUMS).unlink(), BundleIncompleteError, SHA1SUMS),
    ("undeclared file",
     lambda w: (w.bundle() / "autorun.inf").write_text("x"), UndeclaredFileError, "autorun"),
    ("undeclared file in a volume",
     lambda w: (w.volume() / "x.exe").write_text("x"), UndeclaredFileError, "x.exe"),
    ("undeclared folder",
     lambda w: (w.volume() / "folder").mkdir(), UndeclaredFileError, "folder"),
    ("undeclared volume",
     lambda w: w.volume(1, 9).mkdir(), UndeclaredFileError, "volume-009"),
    ("volume zero", lambda w: (w.bundle() / "volume-000").mkdir(), UndeclaredFileError, "000"),
    ("undeclared content",
     lambda w: write_content(w.volume() / CONTENT, b"evil"), UndeclaredFileError, ".cab"),
    ("undeclared content folder",
     lambda w: (w.volume() / CONTENT / "lower").mkdir(), UndeclaredFileError, "lower"),
    ("half-written content",
     lambda w: first_content(w).with_name("x.~part").write_text("x"), UndeclaredFileError, "x.~"),
    ("empty content folder",
     lambda w: _empty_folder(w).mkdir(), UndeclaredFileError, "content"),
    ("a link among content",
     lambda w: first_content(w).with_name("link").symlink_to("/etc/passwd"),
     UndeclaredFileError, "link"),
    ("content is a link",
     lambda w: _replace(first_content(w), lambda p: p.symlink_to(next(w.content.rglob("*.cab")))),
     UndeclaredFileError, ".cab"),
    ("content is a pipe",
     lambda w: _replace(first_content(w), make_pipe), UndeclaredFileError, ".cab"),
    ("content is a folder",
     lambda w: _replace(first_content(w), Path.mkdir), UndeclaredFileError, ".cab"),
    ("package is a link",
     lambda w: _replace(w.volume() / PACKAGE, lambda p: p.symlink_to("/etc/passwd")),
     UndeclaredFileError, PACKAGE),
    ("package is a pipe",
     lambda w: _replace(w.volume() / PACKAGE, make_pipe), UndeclaredFileError, PACKAGE),
    ("content folder is a link", lambda w: link_folder(w.volume()), UndeclaredFileError, CONTENT),
    ("volume is a link",
     lambda w: w.volume(1, 2).symlink_to(w.volume()), UndeclaredFileError, "volume-002"),
    ("sparse bomb in place of content",
     lambda w: os.truncate(first_content(w), 1 << 40), TamperError, str(1 << 40)),
    ("sparse bomb in place of the package",
     lambda w: os.truncate(w.volume() / PACKAGE, 1 << 40), TamperError, str(1 << 40)),
]  # fmt: skip


def _empty_folder(workshop: Workshop) -> Path:
    content = workshop.volume() / CONTENT
    names = (f"{number:02X}" for number in range(256))
    return next(content / name for name in names if not (content / name).exists())


def link_folder(volume: Path) -> None:
    (volume / CONTENT).rename(volume.parents[2] / "elsewhere")
    (volume / CONTENT).symlink_to(volume.parents[2] / "elsewhere")


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


@pytest.mark.parametrize(
    ("edit", "error", "sentence"),
    [pytest.param(*case[1:], id=case[0]) for case in REFUSALS],
)
def test_a_bad_bundle_is_refused_by_name(
    tmp_path: Path, edit: Edit, error: type[AirGapError], sentence: str
) -> None:
    workshop = make(tmp_path, files=25)
    unpack(workshop)
    shutil.rmtree(tmp_path / "intake")
    shutil.rmtree(tmp_path / "documents")
    edit(workshop)
    before = _outside(workshop)

    with pytest.raises(error) as caught:
        unpack(workshop)

    assert sentence in caught.value.message
    assert caught.value.next_step
    assert _outside(workshop) == before
    with pytest.raises(error):
        workshop.require_whole()


def _outside(workshop: Workshop) -> set[str]:
    """All names that reading may not change."""
    ours = ("intake", "documents", "state")
    return {
        str(path.relative_to(workshop.root))
        for path in workshop.root.rglob("*")
        if path.relative_to(workshop.root).parts[0] not in ours
    }


def test_an_empty_folder_is_undeclared_even_where_another_volume_has_content(
    tmp_path: Path,
) -> None:
    workshop = make(tmp_path, volumes=True)
    first, second = (workshop.volume(1, number) / CONTENT for number in (1, 2))
    empty = next(
        second / folder.name for folder in first.iterdir() if not (second / folder.name).exists()
    )
    empty.mkdir()

    with pytest.raises(UndeclaredFileError, match=f"{CONTENT}/{empty.name}"):
        unpack(workshop)


def test_all_undeclared_names_are_listed_and_what_a_desktop_wrote_may_be_deleted(
    tmp_path: Path,
) -> None:
    workshop = make(tmp_path)
    for name in ("desktop.ini", "._content"):
        (workshop.volume() / name).write_text("litter")
    (workshop.bundle() / "System Volume Information").mkdir()

    with pytest.raises(UndeclaredFileError) as caught:
        unpack(workshop)
    (workshop.volume() / "scan-report.html").write_text("of a kiosk")
    with pytest.raises(UndeclaredFileError) as refused:
        unpack(workshop)

    for name in ("desktop.ini", "._content", "System Volume Information"):
        assert name in caught.value.message
    assert "Delete these names" in caught.value.next_step
    assert "scan-report.html" in refused.value.message
    assert "Do not use this medium" in refused.value.next_step


def test_a_volume_of_another_bundle_is_refused(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", volumes=True), make(tmp_path / "other", volumes=True)
    other.key = one.key
    write_content(other.content, b"one more")
    other.export()
    shutil.rmtree(one.volume(1, 2))
    shutil.copytree(other.volume(1, 2), one.volume(1, 2))

    with pytest.raises(WrongSiteError, match="volume-002 is for alpha-1") as caught:
        unpack(one)
    assert "of one bundle only" in caught.value.next_step


def test_a_missing_volume_is_incomplete_and_what_was_read_is_kept(tmp_path: Path) -> None:
    workshop = make(tmp_path, volumes=True)
    away = tmp_path / "away"
    workshop.volume(1, 2).rename(away)

    with pytest.raises(BundleIncompleteError, match=r"volume-002"):
        unpack(workshop)

    kept = len(tree(tmp_path / "intake"))
    assert kept > 0
    away.rename(workshop.volume(1, 2))
    _, read = unpack(workshop)
    assert read.adopted == kept
    assert tree(tmp_path / "intake") == tree(workshop.content)


def test_a_volume_whose_header_is_missing_is_incomplete(tmp_path: Path) -> None:
    workshop = make(tmp_path, volumes=True)
    (workshop.volume(1, 2) / HEADER).unlink()

    with pytest.raises(BundleIncompleteError, match=r"header\.json"):
        unpack(workshop)


def test_a_bundle_sealed_by_a_stranger_is_refused(tmp_path: Path) -> None:
    workshop = make(tmp_path / "one")
    stranger = Workshop(tmp_path / "other")
    workshop.key = stranger.key

    with pytest.raises(SealError, match="0 trusted keys"):
        unpack(workshop)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    workshop = make(tmp_path)

    with pytest.raises(PathMissingError):
        workshop.open(tmp_path / "nowhere")
    with pytest.raises(PathMissingError):
        workshop.open(workshop.volume() / HEADER)


@pytest.mark.parametrize(
    ("slip", "next_step"),
    [
        (lambda w: w.medium, "alpha-1"),
        (lambda w: w.volume(), "alpha-1"),
        (lambda w: w.volume() / CONTENT, "alpha-1"),
        (lambda w: next((w.volume() / CONTENT).iterdir()), "alpha-1"),
        (lambda w: w.content, "one that holds volume-001"),
        (lambda w: w.root, "one that holds volume-001"),
    ],
    ids=[
        "one too high",
        "a volume",
        "its content",
        "a content folder",
        "elsewhere",
        "two too high",
    ],
)
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside the right one"])
def test_a_path_too_high_or_too_low_is_a_slip_and_no_matter_of_trust(
    tmp_path: Path, slip: Callable[[Workshop], Path], next_step: str, *, beside: bool
) -> None:
    workshop = make(tmp_path, files=4)
    folders = [*[workshop.bundle()] * beside, slip(workshop)]

    with pytest.raises(UsageError, match="not a bundle's folder") as caught:
        workshop.open(*folders)

    assert f"{next_step}." in caught.value.next_step


def test_a_bundle_that_lost_its_volumes_or_its_seal_is_not_said_to_be_an_enemys(
    tmp_path: Path,
) -> None:
    workshop = make(tmp_path, files=4)
    losses: dict[str, Callable[[], object]] = {
        "no header.json": (workshop.volume() / HEADER).unlink,
        "no volume": lambda: shutil.rmtree(workshop.volume()),
    }
    for reason, lose in losses.items():
        lose()
        with pytest.raises(SealError, match=reason) as caught:
            workshop.open()
        assert "Do not use this medium" not in caught.value.next_step


def test_a_bundles_folder_may_be_renamed_by_a_file_manager(tmp_path: Path) -> None:
    workshop = make(tmp_path, files=4)
    copy = workshop.bundle().rename(workshop.medium / "alpha-1 - Kopie")

    assert workshop.open(copy).header.bundle == "alpha-1"
    assert not workshop.open(copy).faults


def test_other_things_on_the_medium_are_no_concern(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    (workshop.medium / "System Volume Information").mkdir()
    (workshop.medium / "holiday.jpg").write_bytes(b"x")
    make_pipe(workshop.medium / "pipe")

    unpack(workshop)

    assert not workshop.verify().faults


def test_tampering_weighs_more_than_what_is_missing_and_all_is_listed(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    files = sorted((workshop.volume() / CONTENT).rglob("*.exe"))
    files[0].unlink()
    spoil(files[1])
    files[2].write_bytes(b"x")
    (workshop.volume() / "extra").write_text("x")

    bundle = workshop.verify()

    assert bundle.faults.counts == {"missing": 1, "digest": 1, "size": 1, "extra": 1}
    assert {Path(fault.path).name for fault in bundle.faults.listed} == {
        files[0].name, files[1].name, files[2].name, "extra",
    }  # fmt: skip
    with pytest.raises(TamperError):
        workshop.require_whole()


def test_a_file_that_cannot_be_read_is_a_failure_not_tampering(tmp_path: Path) -> None:
    """A read error: here a host that says so; real media do it on bad sectors."""
    workshop = make(tmp_path)
    bad = first_content(workshop).name

    class BadSector(LocalHost):
        def read_files(
            self, files: Iterable[tuple[HostPath, int]]
        ) -> Iterator[tuple[int, bytes | AirGapError]]:
            for number, (path, limit_bytes) in enumerate(files):
                ((_, content),) = super().read_files([(path, limit_bytes)])
                fault = HostFileError(operation="read", path=path, reason="Input/output error")
                yield number, fault if path.name == bad else content

    workshop.media = BadSector()

    with pytest.raises(AirGapError, match="Input/output error") as caught:
        unpack(workshop)
    assert caught.value.exit_code == 1


def test_random_bits_anywhere_in_a_bundle_are_found(tmp_path: Path) -> None:
    workshop = make(tmp_path, files=25, volumes=True)
    files = [path for path in sorted(workshop.bundle().rglob("*")) if path.is_file()]
    files = [path for path in files if path.stat().st_size]
    draw = random.Random(7)

    for _ in range(80):
        path = draw.choice(files)
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises((SealError, TamperError)):
            workshop.require_whole()
        path.write_bytes(whole)
    workshop.require_whole()


def test_reading_needs_no_right_to_write_on_the_medium(tmp_path: Path) -> None:
    workshop = make(tmp_path)
    before = {
        path: path.stat().st_mtime_ns for path in [workshop.medium, *workshop.medium.rglob("*")]
    }

    unpack(workshop)
    workshop.verify()

    after = [workshop.medium, *workshop.medium.rglob("*")]
    assert {path: path.stat().st_mtime_ns for path in after} == before


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain.txt", "plain.txt"),
        ("line\nbreak", "line\\nbreak"),
        ("bell\x07", "bell\\x07"),
        ("right\u202eleft", "right\\u202eleft"),
        ("undecodable\udcff", "undecodable\\udcff"),
    ],
)
def test_foreign_names_are_shown_harmlessly(name: str, shown: str) -> None:
    assert printable(name) == shown


@pytest.mark.parametrize(
    ("lie", "sentence"),
    [
        ({"files": 24}, "has 25 files"),
        ({"carried_files": 24}, "25 of them carried"),
    ],
)
def test_a_sealed_header_that_counts_wrong_is_refused(
    tmp_path: Path, lie: dict[str, int], sentence: str
) -> None:
    workshop = Workshop(tmp_path)
    fill_content(workshop.content, 25)
    header = workshop.header(workshop.pack())
    counts = header.counts.model_copy(update=lie)
    workshop.publish(header.model_copy(update={"counts": counts}))
    with pytest.raises(TrustError, match=sentence):
        workshop.verify()


@pytest.mark.parametrize("in_parts", [False, True])
def test_a_sealed_manifest_that_names_a_volume_too_many_is_refused(
    tmp_path: Path, *, in_parts: bool
) -> None:
    workshop = make(tmp_path, volumes=True)
    header = workshop.trusted().header
    entries = [entry for entry in workshop.manifest() if bool(entry.parts) is in_parts]
    assert max(map(last_volume, entries)) > 1
    write_manifest(tmp_path / "some", entries)
    fewer = header.model_copy(update={"volumes": header.volumes[:1]})
    with pytest.raises(TrustError, match="has no volume"):
        list(TrustedManifest(tmp_path / "some", fewer).entries())
