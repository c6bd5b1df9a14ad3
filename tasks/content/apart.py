"""Have a second process hash large files that are only proved, if there are enough bytes of them.

Its start takes as long as to hash 100 MB. It only saves time: what it does not answer, or what it
found wrong, is read here.
"""

from __future__ import annotations

from collections.abc import Iterable

from tasks.content.copy_item import CopyItem, CopyResult, judge, judge_sealed
from tasks.content.names import Blake3, ContentDigest, FileDigests
from tasks.hosts.host import Hasher, HashesApart, Readable
from tasks.progress import Progress

_WORTH_BYTES = 64 * 1_048_576


class Apart:
    """The second process of one call of ``copy_files``; none until it is worth its start."""

    def __init__(self, source: Readable) -> None:
        self._source = source if isinstance(source, HashesApart) else None
        self._hasher: Hasher | None = None

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *_: object) -> None:
        if self._hasher is not None:
            self._hasher.close()

    def prepare(self, items: Iterable[CopyItem]) -> None:
        """Start the process if these large files are worth it."""
        if self._source is None:
            return
        if sum(item.size_bytes for item in items if _is_plain(item)) >= _WORTH_BYTES:
            self._hasher = self._source.new_hasher()
            self._source = None

    def ask(self, item: CopyItem) -> int | None:
        """Ask for a large file, and return the number to call ``prove`` with; None: read it."""
        if self._hasher is None or not _is_plain(item):
            return None
        with_sha1 = not item.is_sealed_only
        return self._hasher.ask(item.sources[0], item.size_bytes, with_sha1=with_sha1)

    def prove(self, item: CopyItem, number: int, progress: Progress) -> CopyResult | None:
        """Wait for the digests of a file and compare them; None if it has to be read here."""
        answer = self._hasher and self._hasher.answer(number, progress.advance)
        if not answer:
            return None
        proof = Blake3(answer.blake3)
        if item.is_sealed_only:
            result = judge_sealed(item, proof, answer.size_bytes)
        else:
            digests = FileDigests(ContentDigest(answer.sha1), proof, answer.size_bytes)
            result = judge(item, digests, is_written=False)
        if result.error is None:
            return result
        progress.advance(-answer.size_bytes)  # it is read once more
        return None


def _is_plain(item: CopyItem) -> bool:
    return item.beside is None and len(item.sources) == 1
