"""Read a manifest as a validated stream, against one JSON document through pydantic."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from tasks.bundle.manifest import Entry, read_entries, write_manifest
from tasks.content.names import Blake3, ContentDigest
from tests.bench.frame import Case, Goal, Options, Result, compare, main, require

_ENTRIES = 1_000_000
_GROWTH_KIB = 40 * 1_024


def bench(options: Options) -> Iterator[Result]:
    """Measure the reading of all entries; the peer comes second, because it needs the memory."""
    count = options.files(_ENTRIES)
    manifest, document = options.folder / "manifest.jsonl", options.folder / "manifest.json"
    write_manifest(manifest, _entries(count))
    lines = manifest.read_text(encoding="utf-8").splitlines()
    document.write_text(json.dumps([json.loads(line) for line in lines]), encoding="utf-8")
    del lines
    adapter = TypeAdapter(list[Entry])
    ours = Case("stream", lambda: _read_all(manifest, count))
    peer = Case("document", lambda: require(len(_load(adapter, document)) == count, "lost"))
    goal = Goal("manifest_stream", f"{count} entries", "one JSON document, pydantic", 0.6)
    yield compare(goal, ours, peer, options)
    manifest.write_bytes(manifest.read_bytes().replace(b'"volume":1', b'"volume":01', 1))
    try:
        _read_all(manifest, count)
    except Exception as error:  # noqa: BLE001  whatever it is, it refuses
        print(f"a changed line is refused: {error}")
    else:
        require(condition=False, text="a changed line was not noticed")


def _read_all(path: Path, count: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    require(sum(1 for _ in read_entries(path)) == count, "entries were lost")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    require(grown < _GROWTH_KIB, f"reading needed {grown} KiB")


def _load(adapter: TypeAdapter[list[Entry]], path: Path) -> list[Entry]:
    return adapter.validate_json(path.read_bytes())


def _entries(count: int) -> Iterator[Entry]:
    for folder in range(256):
        for number in range(folder, count, 256):
            sha1 = number.to_bytes(8, "big") + bytes(11) + folder.to_bytes(1, "big")
            yield Entry(
                sha1=ContentDigest(sha1), extension="cab", size_bytes=number + 1,
                blake3=Blake3(number.to_bytes(32, "big")), volume=1,
            )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(bench, scale=0.1))
