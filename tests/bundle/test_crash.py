"""Killed or powered off at any instant: nothing half has a final name, and a rerun finishes."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from tasks.bundle.layout import CONTENT, HEADER
from tasks.bundle.plan import MediaLimits
from tasks.content.names import ContentName
from tests.support.bundles import Workshop, fill_content, tree, write_content
from tests.support.crossing_program import finish, start
from tests.support.memory_host import MemoryHost
from tests.support.memory_power import PowerLostError

KILLS = int(os.environ.get("WSUS_AIRGAP_KILLS", "4"))


def _kill(root: Path, verb: str, after_seconds: float) -> None:
    with start(root, verb) as running:
        time.sleep(after_seconds)
        running.kill()


def _final_names(folder: Path) -> dict[str, bytes]:
    return {
        path: content
        for path, content in tree(folder).items()
        if ContentName.parse(path.rsplit("/", maxsplit=1)[-1])
    }


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_a_killed_export_and_import_are_finished_by_the_next_run(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    fill_content(workshop.content, 500, most_bytes=60_000)
    draw = random.Random(3)
    whole = tree(workshop.content)
    seconds = finish(tmp_path, "pack")["seconds"]
    for _ in range(KILLS):
        if workshop.bundle().exists():
            _remove_some(workshop, draw)
        _kill(tmp_path, "pack", draw.uniform(0.05, seconds))
        for path, content in _final_names(workshop.volume() / CONTENT).items():
            assert content == whole[path]
        if (workshop.volume() / HEADER).exists():
            assert not workshop.verify().faults
    finish(tmp_path, "pack")
    assert not workshop.verify().faults
    assert tree(workshop.volume() / CONTENT) == whole

    for _ in range(KILLS):
        _kill(tmp_path, "unpack", draw.uniform(0.05, seconds))
        for path, content in _final_names(tmp_path / "intake").items():
            assert content == whole[path]
    finish(tmp_path, "unpack")
    assert _final_names(tmp_path / "intake") == whole


def _remove_some(workshop: Workshop, draw: random.Random) -> None:
    """Give the next run something to do; what we spoil here is no bundle any more."""
    (workshop.volume() / HEADER).unlink(missing_ok=True)
    files = sorted((workshop.volume() / CONTENT).rglob("*.*"))
    for path in draw.sample(files, len(files) // 2):
        path.unlink()


@pytest.mark.parametrize("seed", range(int(os.environ.get("WSUS_AIRGAP_POWER_LOSSES", "20"))))
def test_after_a_power_loss_the_medium_holds_a_whole_bundle_or_none(
    tmp_path: Path, seed: int
) -> None:
    """The medium is a disk in memory that drops or reorders what was not flushed."""
    medium = MemoryHost()
    medium.make_folder(medium.path(str(tmp_path / "media")))
    medium.flush_folders([medium.path(str(tmp_path)), medium.path("/")])
    workshop = Workshop(tmp_path, media=medium, limits=MediaLimits(150_000, 30_000))
    fill_content(workshop.content, 20, seed=seed)
    write_content(workshop.content, bytes(range(256)) * 400, "esd")
    medium.fail_after(random.Random(seed).randrange(1, 190), PowerLostError())

    try:
        header = workshop.export()
    except PowerLostError:
        medium.lose_power(seed)
        header = workshop.export()
    else:
        medium.lose_power(seed)

    bundle = workshop.verify()
    assert not bundle.faults
    assert bundle.trusted.digest == header.digest


@pytest.mark.parametrize("seed", range(8))
def test_after_a_power_loss_an_old_seal_never_lies_on_a_bundle_that_was_being_changed(
    tmp_path: Path, seed: int
) -> None:
    medium = MemoryHost()
    medium.make_folder(medium.path(str(tmp_path / "media")))
    medium.flush_folders([medium.path(str(each)) for each in (tmp_path, *tmp_path.parents)])
    workshop = Workshop(tmp_path, media=medium)
    fill_content(workshop.content, 3, seed=seed)
    workshop.export()
    write_content(workshop.content, b"new since then")
    header = medium.path(str(workshop.volume() / HEADER))
    medium.fail_after(10, PowerLostError())  # content has come, the documents have not

    with pytest.raises(PowerLostError):
        workshop.pack()
    medium.lose_power(seed)

    assert medium.stat(header) is None or not workshop.verify().faults
