"""Pack a bundle onto a medium with exFAT or NTFS, and verify it there, against cp and b3sum.

The medium is an image file that the FUSE drivers of Debian (exfat-fuse, ntfs-3g) mount; this needs
root. A file system whose driver this machine lacks is named and left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.frame import Case, Goal, Options, Result, main, ratio, take_turns
from tests.bench.packing import Packing
from tests.bench.trees import files_below, need, run, write_realistic_files
from tests.support.bundles import Workshop

_FILES = 4_000
_BYTES = 1_000_000_000
_MIB = 1_048_576
_DRIVERS = {
    "exFAT": (("mkfs.exfat",), ("mount.exfat-fuse",)),
    "NTFS": (("mkfs.ntfs", "-q", "-F", "-Q"), ("ntfs-3g",)),
}


def bench(options: Options) -> Iterator[Result]:
    """Measure the steps "Pack volumes" and "Prove bundle" on each file system."""
    for name, (make, mount) in _DRIVERS.items():
        if not (shutil.which(make[0]) and shutil.which(mount[0])):
            print(f"pack_on_medium: {name} is left out: {make[0]} or {mount[0]} is not installed")
            continue
        workshop = Workshop(options.folder / name)
        image = options.folder / f"{name}.img"
        with image.open("wb") as stream:
            stream.truncate((200 + round(_BYTES * options.scale * 3 / _MIB)) * _MIB)
        run(need(make[0]), *make[1:], image)
        with _mounted(image, workshop.medium, mount):
            yield from _measure(options, workshop, name)
        image.unlink()


def _measure(options: Options, workshop: Workshop, name: str) -> Iterator[Result]:
    files = options.files(_FILES)
    write_realistic_files(workshop.content, files, total_bytes=round(_BYTES * options.scale))
    size = f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB on {name}"
    packing = Packing(workshop, workshop.medium / "copy")
    cases = [packing.pack(), packing.cp()]
    timings = take_turns(cases, options.rounds)
    goal = Goal("pack_on_medium", f"{size}: pack", "cp -r && sync -f", None)
    yield ratio(goal, timings["pack"], timings["cp"])
    packing.clean()
    workshop.export()
    carried = files_below(workshop.volume() / "content")
    cases = [
        Case("verify", workshop.require_whole),
        Case("b3sum", lambda: run(need("b3sum"), "--no-mmap", *carried)),
    ]
    timings = take_turns(cases, options.rounds)
    goal = Goal("pack_on_medium", f"{size}: verify", "b3sum --no-mmap", None)
    yield ratio(goal, timings["verify"], timings["b3sum"])


@contextmanager
def _mounted(image: Path, folder: Path, command: tuple[str, ...]) -> Iterator[None]:
    device = _device_of(image)
    try:
        run(need(command[0]), *command[1:], device, folder)
        try:
            yield
        finally:
            run("umount", folder)
    finally:
        run("losetup", "--detach", device)


def _device_of(image: Path) -> str:
    """Return a loop device for an image file: exfat-fuse mounts nothing else."""
    command = [need("losetup"), "--find", "--show", str(image)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.1))
