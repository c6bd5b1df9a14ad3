"""Plan 500,000 files against a baseline of 500,000: seconds and memory, for orientation.

The goals are absolute: less than 15 s and less than 250 MiB for the full size. The peer is a read
of the same manifest by pydantic, line by line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from tasks.bundle.manifest import Entry, read_entries, write_manifest
from tasks.bundle.plan import MediaLimits, Plan, plan_bundle
from tasks.content.names import Blake3, ContentDigest, ContentName, FileDigests
from tasks.content.scan import ContentFile
from tasks.hosts.local import LocalHost
from tests.bench.frame import Case, Goal, Options, Result, compare, main, require
from tests.support.memory import peak_mib

_FILES = 500_000
_LIMIT_MIB = 250
_LIMITS = MediaLimits(None, 4_294_967_295)


def bench(options: Options) -> Iterator[Result]:
    """Measure a plan in which nine of ten files are in the base."""
    count = options.files(_FILES)
    base = options.folder / "base.jsonl"
    write_manifest(base, (entry for entry in _entries(count) if entry.size_bytes % 10))

    def plan() -> None:
        made = _plan(base, count, options.folder)
        require((made.files, made.carried_files) == (count, count // 10), "the plan is wrong")

    goal = Goal("plan_large", f"{count} files against as many", "pydantic line by line", None)
    peer = Case("pydantic", lambda: _read_with_pydantic(base))
    yield compare(goal, Case("plan", plan), peer, options)
    peak = peak_mib()
    require(peak < _LIMIT_MIB, f"the plan needed {peak:.0f} MiB")
    print(f"    peak memory of the process {peak:.0f} MiB")


def _plan(base: Path, count: int, folder: Path) -> Plan:
    return plan_bundle(
        _files(count), read_entries(base), folder=folder, limits=_LIMITS, document_bytes=1_000
    )


def _read_with_pydantic(path: Path) -> None:
    with path.open("rb") as lines:
        for line in lines:
            Entry.model_validate_json(line)


def _files(count: int) -> Iterator[ContentFile]:
    path = LocalHost().path("/content/file")
    for digests in _digests(count):
        name = ContentName(digests.sha1, "cab")
        yield ContentFile(name, path, digests.size_bytes, 0, "", digests)


def _entries(count: int) -> Iterator[Entry]:
    for digests in _digests(count):
        yield Entry(
            sha1=digests.sha1, extension="cab", size_bytes=digests.size_bytes,
            blake3=digests.blake3, volume=1,
        )  # fmt: skip


def _digests(count: int) -> Iterator[FileDigests]:
    for folder in range(256):
        for number in range(folder, count, 256):
            sha1 = number.to_bytes(8, "big") + bytes(11) + folder.to_bytes(1, "big")
            yield FileDigests(
                ContentDigest(sha1), Blake3(number.to_bytes(32, "big")), size_bytes=number + 1
            )


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.1))
