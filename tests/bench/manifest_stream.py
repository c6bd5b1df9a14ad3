"""Read a manifest as a validated stream, against one JSON document through pydantic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from tasks.bundle.manifest import Entry, read_entries, write_manifest
from tasks.content.names import Blake3, ContentDigest
from tests.bench.frame import Case, Goal, Options, Result, compare, main, require

_ENTRIES = 1_000_000
_GROWTH_MIB = 40
# In a process of its own: the peak of this one is that of the peer's document.
_MEASURED = """
import sys
from pathlib import Path
from tasks.bundle.manifest import read_entries
from tests.support.memory import peak_mib
before = peak_mib()
for entry in read_entries(Path(sys.argv[1])):
    pass
print(peak_mib() - before)
"""


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
    grown = _growth_mib(manifest)
    print(f"    reading needs {grown:.1f} MiB")
    require(grown < _GROWTH_MIB, f"reading needed {grown:.1f} MiB")
    manifest.write_bytes(manifest.read_bytes().replace(b'"volume":1', b'"volume":01', 1))
    try:
        _read_all(manifest, count)
    except Exception as error:  # noqa: BLE001  whatever it is, it refuses
        print(f"a changed line is refused: {error}")
    else:
        require(condition=False, text="a changed line was not noticed")


def _read_all(path: Path, count: int) -> None:
    require(sum(1 for _ in read_entries(path)) == count, "entries were lost")


def _growth_mib(path: Path) -> float:
    command = [sys.executable, "-c", _MEASURED, str(path)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


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
