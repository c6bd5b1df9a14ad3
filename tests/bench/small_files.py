"""Pack and import 100,000 small files in memory (tmpfs), against cp -r.

Measured are the whole step "Pack volumes", and of an import the unpacking into the intake, the
placing, and the new listing of WsusContent. At the end all files lie under their final names with
their own bytes.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tasks.bundle.documents import unpack_documents
from tasks.bundle.unpack import Intake, unpack_content
from tasks.content.place import PlaceItem, place
from tasks.hosts.local import LocalHost
from tests.bench.frame import (
    Case,
    Goal,
    Options,
    Result,
    WrongOutputError,
    main,
    ratio,
    require,
    take_turns,
)
from tests.bench.trees import run, write_small_files
from tests.support.bundles import Workshop, tree

_FILES = 100_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the steps in a folder in memory."""
    memory = Path("/dev/shm")  # noqa: S108  the tmpfs of every Linux
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else options.folder) as folder:
        yield from _bench(Path(folder), options)


def _bench(folder: Path, options: Options) -> Iterator[Result]:
    workshop = Workshop(folder)
    files = options.files(_FILES)
    write_small_files(workshop.content, files)
    side = _Importing(workshop, folder / "disk")
    copy = folder / "copy"

    def clean() -> None:
        for path in (copy, workshop.bundle()):
            shutil.rmtree(path, ignore_errors=True)
        (workshop.root / "state" / "hashes.sqlite").unlink(missing_ok=True)

    cases = [
        Case("pack", workshop.pack, clean),
        Case("cp", lambda: run("cp", "-r", workshop.content, copy), clean),
    ]
    timings = take_turns(cases, options.rounds)
    yield ratio(
        Goal("small_files", f"{files} in tmpfs: plan and pack", "cp -r", 0.5),
        timings["pack"], timings["cp"],
    )  # fmt: skip
    clean()
    workshop.export()
    cases = [
        Case("unpack", side.unpack, side.clean),
        Case("place", side.place, side.fill),
        Case(
            "cp",
            lambda: run("cp", "-r", workshop.content, copy),
            lambda: shutil.rmtree(copy, ignore_errors=True),
        ),
    ]
    timings = take_turns(cases, options.rounds)
    for name in ("unpack", "place"):
        yield ratio(
            Goal("small_files", f"{files} in tmpfs: {name}", "cp -r", None),
            timings[name], timings["cp"],
        )  # fmt: skip
    side.fill()
    side.place()
    require(tree(side.content) == tree(workshop.content), "other bytes were placed")


class _Importing:
    """The disconnected side's disk: an intake and a WsusContent."""

    def __init__(self, workshop: Workshop, disk: Path) -> None:
        self.workshop = workshop
        self.disk = disk
        self.host = LocalHost()

    @property
    def content(self) -> Path:
        return self.disk / "WsusContent"

    def clean(self) -> None:
        shutil.rmtree(self.disk, ignore_errors=True)
        for name in ("WsusContent", "intake", "documents"):
            (self.disk / name).mkdir(parents=True)

    def unpack(self) -> None:
        bundle = self.workshop.open()
        documents = unpack_documents(bundle, self.disk / "documents")
        if documents.manifest is None:
            raise WrongOutputError("the bundle has no manifest")
        self.manifest = documents.manifest
        intake = Intake(self.host, self.host.path(str(self.disk / "intake")))
        unpack_content(bundle, documents.manifest, intake=intake)
        require(not bundle.faults, "the bundle has faults")

    def fill(self) -> None:
        self.clean()
        self.unpack()

    def place(self) -> None:
        items = (
            PlaceItem(entry.name, entry.size_bytes)
            for entry in self.manifest.entries()
            if entry.is_carried
        )
        intake, content = (
            self.host.path(str(self.disk / name)) for name in ("intake", "WsusContent")
        )
        for placed in place(self.host, intake, content, items):
            require(not placed.failed, "files were not placed")


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.1))
