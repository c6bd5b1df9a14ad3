"""Hash content that was never seen before, page cache warm, against openssl sha1 and SHA-1 alone.

A file with a flipped byte must come out as wrong.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.content.content_listing import ContentListing
from tasks.server.content_scan import prove_content, scan_content
from tests.bench.frame import Case, Goal, Options, Result, main, ratio, require, take_turns
from tests.bench.trees import files_below, need, run, write_realistic_files
from tests.metadata.facts import server_facts
from tests.support.runs import open_test_run, write_site_file

_FILES = 4_000
_BYTES = 2_500_000_000


def bench(options: Options) -> Iterator[Result]:
    """Measure the proof of a whole WsusContent, as the audit and a first import do it."""
    files = options.files(_FILES)
    size = f"{files} files, {_BYTES * options.scale / 1e9:.2f} GB"
    site = write_site_file(options.folder, side="disconnected")
    content = options.folder / "WsusContent"
    write_realistic_files(content, files, total_bytes=round(_BYTES * options.scale))
    paths = files_below(content)
    ours = Case("prove", lambda: require(_prove(site, content) == files, "files were left out"))
    openssl = Case("openssl", lambda: run(need("openssl"), "sha1", *paths))
    sha1 = Case("SHA-1", lambda: _sha1_alone(paths))
    timings = take_turns([ours, openssl, sha1], options.rounds)
    yield ratio(
        Goal("first_sight", size, "openssl sha1, one process", 0.6),
        timings["prove"], timings["openssl"],
    )  # fmt: skip
    yield ratio(
        Goal("first_sight", size, "SHA-1 alone in one thread (the goal is for CPU: 1.27)", None),
        timings["prove"], timings["SHA-1"],
    )  # fmt: skip
    wrong = Path(paths[-1])
    wrong.write_bytes(wrong.read_bytes()[:-1] + b"?")
    require(_prove(site, content, valid=files - 1) == files, "files were left out")


def _prove(site: Path, content: Path, *, valid: int | None = None) -> int:
    (site.parent / "state" / "hashes.sqlite").unlink(missing_ok=True)
    with open_test_run(site) as opened:
        listing = scan_content(opened, server_facts(content_dir=str(content)))
        count = prove_content(opened, listing)
        right = sum(_is_valid(listing))
        require(right == (count if valid is None else valid), "the verdicts are wrong")
        return count


def _is_valid(listing: ContentListing) -> Iterator[bool]:
    for file in listing:
        present = listing.look_up(file.name)
        yield present is not None and present.is_valid is True


def _sha1_alone(paths: list[str]) -> None:
    buffer = bytearray(262_144)
    view = memoryview(buffer)
    for path in paths:
        digest = hashlib.sha1()
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123  the cheapest way
            while count := stream.readinto(buffer):
                digest.update(view[:count])
        require(Path(path).stem == digest.hexdigest().upper(), f"{path} has other bytes")


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.2))
