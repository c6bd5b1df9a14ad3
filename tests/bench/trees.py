"""Content trees for benches: files under their real names, small or of realistic sizes."""

from __future__ import annotations

import math
import os
import random
import shutil
import subprocess
from pathlib import Path

from tests.support.bundles import write_content


def write_small_files(content_dir: Path, count: int) -> None:
    """Write files of 15 to 800 bytes into a content folder."""
    for number in range(count):
        write_content(content_dir, f"content file {number}\n".encode() * (1 + number % 40))


def write_realistic_files(content_dir: Path, count: int, *, total_bytes: int) -> None:
    """Write files with log-normal sizes (median 17 kB, few large ones) of about so many bytes."""
    draw = random.Random(count)
    sizes = [math.exp(draw.gauss(9.7, 2.6)) for _ in range(count)]
    share = total_bytes / sum(sizes)
    for size in sizes:
        write_content(content_dir, os.urandom(max(1, round(size * share))))


def files_below(folder: Path) -> list[str]:
    """Return the paths of all files below a folder."""
    return sorted(str(path) for path in folder.rglob("*") if path.is_file())


def run(*command: str | Path, stdin: str | None = None) -> None:
    """Run a peer's program; its output is read and thrown away."""
    words = [str(word) for word in command]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, text=True, input=stdin)


def need(program: str) -> str:
    """Return a peer's program.

    Raises:
        SystemExit: It is not installed.
    """
    path = shutil.which(program)
    if path is None:
        raise SystemExit(f"bench: {program} is not installed; it is the peer of this bench")
    return path


def drop_cache(paths: list[str]) -> None:
    """Drop files from the page cache, so that they are read from the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
