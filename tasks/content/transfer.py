"""Copy or prove content files, on both sides of the gap; files in parts: ``bundle/parts``.

Each byte is read once, and both digests are taken on the way (of what is only compared with a seal
the BLAKE3 alone). Every batch goes through the same steps, and their order makes them safe:

1. write every file of the batch beside its final name;
2. make all of them durable, together;
3. on another machine, at the same time: have it read the files that it wrote, and compare size and
   SHA-1 (the BLAKE3 was taken from the bytes as they were sent);
4. rename to the final names, then make the names durable.

So a final name never has partial, unproved or volatile bytes, and a kill at any instant leaves at
most some files under names that readers skip. While one batch is made durable, the next batches are
being copied: a batch often ends with one large file, for which the other threads must not wait. A
file with wrong bytes never gets its final name.

Small files of this machine are copied one after another, in the thread that reads the items: a
thread or a Future for each costs more than reading it, and a second thread with work in Python
would take the interpreter from those that read large files. To or from another machine many small
files are in flight at a time, in a thread of their own, because each waits for answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace

from blake3 import blake3

from tasks.content.apart import Apart
from tasks.content.copy_item import (
    FATAL,
    CopyItem,
    CopyResult,
    find_difference,
    judge,
    judge_sealed,
    read_bounded,
)
from tasks.content.digest import Digester
from tasks.content.names import Blake3, FileDigests
from tasks.content.small_files import copy_small_files
from tasks.content.threads import Pools, new_pool
from tasks.errors import (
    AirGapError,
    ContentWrongError,
    FailedError,
)
from tasks.hosts.host import FileHash, Host, Readable
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence
from tasks.refusals import FolderUnsafeError

SMALL_FILE_BYTES = 262_144
SMALL_IN_FLIGHT_BYTES = 4 * 1_048_576
# Batches that are being copied beside the one that is waited for.
_BATCHES_AHEAD = 2


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Size of a batch: disks are flushed once per batch, and a kill costs a few batches at most."""

    files: int = 500
    size_bytes: int = 512 * 1_048_576


def copy_files(
    source: Readable,
    destination: Host | None,
    items: Iterable[CopyItem],
    *,
    threads: int = 2,
    progress: Progress | None = None,
    limits: BatchLimits | None = None,
) -> Iterator[list[CopyResult]]:
    """Copy files, or prove them, and yield results in batches, in the order of the items.

    Lazy: nothing happens before the first batch is requested, and items are read only as needed.
    When a batch is yielded, its files are durable under their final names. A repeated call
    continues, if the caller marks existing files as ``present``.

    Args:
        source: Host or media with the bytes.
        destination: Host to write to; None: only read and compare.
        items: Files to copy; may be endless, and is read by one thread.
        threads: Number of large files that are read at the same time, beside one small file.
        progress: Advanced by bytes; the caller begins and ends it.
        limits: Limits of one batch.

    Raises:
        DiskFullError, ConnectionLostError, TimeLimitError: Nothing more can be copied now.
            Batches that were yielded before remain valid.
    """
    with (
        Apart(source) as apart,
        new_pool(threads, "copy-large") as large,
        new_pool(1, "copy-small") as small,
        new_pool(1, "flush") as flush_pool,
    ):
        work = _Work(source, destination, progress or Silence(), apart)
        batches = _batches(items, limits or BatchLimits())
        # Closed before the pools, whatever ends this: else they copy files that nobody waits for.
        with closing(_copy_batches(work, batches, Pools(large, small))) as copied:
            yield from _durable_batches(work, copied, flush_pool)


def _durable_batches(
    work: _Work, copied: Iterable[list[CopyResult]], flush_pool: ThreadPoolExecutor
) -> Iterator[list[CopyResult]]:
    """Do steps 2 and 3 for each batch while the next one is copied."""
    flushing: Future[list[CopyResult]] | None = None
    try:
        for batch in copied:
            if flushing is not None:
                yield flushing.result()
            flushing = flush_pool.submit(_make_durable, work, batch)
    except AirGapError:
        # The batch before remains valid, so the caller gets it to cache its digests.
        if flushing is not None:
            yield flushing.result()
        raise
    if flushing is not None:
        yield flushing.result()


@dataclass(frozen=True, slots=True)
class _Work:
    source: Readable
    destination: Host | None
    progress: Progress
    apart: Apart

    @property
    def is_remote(self) -> bool:
        """True if another machine wrote the files, so that it must read them again as a proof."""
        return self.destination is not None and self.destination.address != "local"

    @property
    def has_network(self) -> bool:
        """True if another machine has the source or the destination; media lie at this one."""
        sides = (self.source, self.destination)
        return any(getattr(side, "address", "local") != "local" for side in sides)


def _batches(items: Iterable[CopyItem], limits: BatchLimits) -> Iterator[list[CopyItem]]:
    batch: list[CopyItem] = []
    size_bytes = 0
    for item in items:
        batch.append(item)
        size_bytes += item.size_bytes
        if len(batch) >= limits.files or size_bytes >= limits.size_bytes:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


@dataclass(slots=True)
class _Begun:
    """A batch that is being copied: results by index, and what others have of it.

    ``asked`` are files that the second process hashes, with its numbers for them. ``fatal`` is
    raised when the batch's turn comes: the batches before it may be whole.
    """

    size: int
    asked: list[tuple[int, CopyItem, int]] = field(default_factory=list)
    done: dict[int, CopyResult] = field(default_factory=dict)
    fatal: AirGapError | None = None
    futures: list[Future[dict[int, CopyResult]]] = field(default_factory=list)

    def results(self, work: _Work) -> list[CopyResult]:
        """Wait for the batch, and return its results in order."""
        if self.fatal is not None:
            raise self.fatal
        for index, item, number in self.asked:
            proved = work.apart.prove(item, number, work.progress)
            self.done[index] = proved or _copy_one(work, item)
        for future in self.futures:
            self.done.update(future.result())
        return [self.done[index] for index in range(self.size)]

    def cancel(self) -> None:
        """Let no thread begin another file of this batch."""
        for future in self.futures:
            future.cancel()


def _copy_batches(
    work: _Work,
    batches: Iterable[Sequence[CopyItem]],
    pools: Pools,
) -> Generator[list[CopyResult], None, None]:
    """Do step 1 for each batch; the next ones begin before a batch has ended, so no thread idles.

    After an error no thread begins another file; the pools then wait for those that were begun.
    """
    begun: deque[_Begun] = deque()
    try:
        for batch in batches:
            begun.append(_Begun(len(batch)))
            _begin_batch(work, begun[-1], batch, pools)
            if begun[-1].fatal is not None:
                break
            if len(begun) > _BATCHES_AHEAD:
                yield begun[0].results(work)
                begun.popleft()
        while begun:
            yield begun[0].results(work)
            begun.popleft()
    finally:
        for started in begun:
            started.cancel()


def _begin_batch(
    work: _Work,
    begun: _Begun,
    batch: Sequence[CopyItem],
    pools: Pools,
) -> None:
    """Give large files to several threads, the largest first, and copy the small ones together."""
    small_bytes = SMALL_IN_FLIGHT_BYTES if work.has_network else SMALL_FILE_BYTES
    together = [entry for entry in enumerate(batch) if entry[1].size_bytes <= small_bytes]
    alone = [entry for entry in enumerate(batch) if entry[1].size_bytes > small_bytes]
    alone.sort(key=lambda entry: -entry[1].size_bytes)
    work.apart.prepare(item for _, item in alone)
    for index, item in alone:
        if (number := work.apart.ask(item)) is not None:
            begun.asked.append((index, item, number))
        else:
            begun.futures.append(pools.large.submit(_copy_large, work, index, item))
    if work.has_network and together:
        begun.futures.append(pools.small.submit(_copy_small, work, together))
    else:
        try:
            begun.done |= _copy_small(work, together)
        except AirGapError as fatal:
            begun.fatal = fatal


def _copy_large(work: _Work, index: int, item: CopyItem) -> dict[int, CopyResult]:
    return {index: _copy_one(work, item)}


def _copy_small(work: _Work, group: Sequence[tuple[int, CopyItem]]) -> dict[int, CopyResult]:
    plain = [entry for entry in group if len(entry[1].sources) == 1 and not entry[1].present]
    results = copy_small_files(work.source, work.destination, plain, work.progress)
    for index, item in group:
        if index not in results:
            results[index] = _copy_one(work, item)
    return results


def _copy_one(work: _Work, item: CopyItem) -> CopyResult:
    """Copy or prove one file; an error that concerns only this file becomes its result."""
    try:
        if item.present and (digests := _prove_present(work, item)) is not None:
            return CopyResult(item, digests)
        if item.is_sealed_only:
            return _prove_sealed(work, item)
        digester = Digester()
        chunks = digester.watch(read_bounded(work.source, item.sources, item.size_bytes))
        if work.destination is None or item.beside is None:
            _drain(chunks, work.progress)
        else:
            work.destination.write(item.beside, _reported(chunks, work.progress))
        return judge(item, digester.result(), is_written=item.beside is not None)
    except FATAL:
        raise
    except (FailedError, FolderUnsafeError) as error:
        # The file beside may exist; `written=True` has it removed.
        return CopyResult(item, None, error, item.beside is not None)


def _prove_sealed(work: _Work, item: CopyItem) -> CopyResult:
    hasher, size_bytes = blake3(), 0
    for chunk in read_bounded(work.source, item.sources, item.size_bytes):
        hasher.update(chunk)
        size_bytes += len(chunk)
        work.progress.advance(len(chunk))
    return judge_sealed(item, Blake3(hasher.digest()), size_bytes)


def _prove_present(work: _Work, item: CopyItem) -> FileDigests | None:
    """Read the file under the final name, and return its digests; None if it is wrong."""
    if work.destination is None or item.final is None or item.blake3 is None:
        return None
    digester = Digester()
    try:
        chunks = read_bounded(work.destination, (item.final,), item.size_bytes)
        for chunk in digester.watch(chunks):
            work.progress.check(len(chunk))
    except FATAL:
        raise
    except (FailedError, FolderUnsafeError):
        return None
    digests = digester.result()
    return digests if find_difference(item, digests) is None else None


def _reported(
    chunks: Iterable[bytes | memoryview], progress: Progress
) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        progress.advance(len(chunk))
        yield chunk


def _drain(chunks: Iterable[bytes | memoryview], progress: Progress) -> None:
    for chunk in chunks:
        progress.advance(len(chunk))


# --- steps 2 to 4 ---------------------------------------------------------------------------------


def _make_durable(work: _Work, results: Sequence[CopyResult]) -> list[CopyResult]:
    """Make a batch durable, and give its intact files their final names."""
    if work.destination is None:
        return list(results)
    errors: dict[HostPath, AirGapError] = {}  # by the path beside, which is unique in a batch
    good = [_beside(result) for result in results if result.written and result.is_ok]
    with new_pool(
        1, "prove"
    ) as pool:  # one waits for the disk, the other for the server's processor
        proving = pool.submit(_prove_on_destination, work, results)
        errors.update(work.destination.flush_files(good).failed)
        errors.update(proving.result())
    moves = [
        (_beside(result), _final(result))
        for result in results
        if result.written and result.is_ok and _beside(result) not in errors
    ]
    renamed = work.destination.rename(moves)
    errors.update({move[0]: error for move, error in renamed.failed})
    work.destination.flush_folders(_unique(final.parent for _, final in renamed.ok))
    for error in errors.values():
        if isinstance(error, FATAL):
            raise error
    bad = [_beside(r) for r in results if r.written and (not r.is_ok or _beside(r) in errors)]
    work.destination.remove(bad)
    return [_with_error(result, errors) for result in results]


def _prove_on_destination(
    work: _Work, results: Sequence[CopyResult]
) -> dict[HostPath, AirGapError]:
    """Have another machine read the files that it wrote; return errors by path."""
    if work.destination is None or not work.is_remote:
        return {}
    sent = {_beside(r): r.digests for r in results if r.written and r.digests is not None}
    errors: dict[HostPath, AirGapError] = {}
    for answer in work.destination.hash_files(list(sent)):
        if not isinstance(answer, FileHash):
            errors[answer[0]] = answer[1]
            sent.pop(answer[0], None)
            continue
        digests = sent.pop(answer.path, None)
        if digests is not None and (answer.size_bytes, answer.sha1) != (
            digests.size_bytes,
            digests.sha1.hex,
        ):
            errors[answer.path] = ContentWrongError(
                path=answer.path,
                expected=f"{digests.size_bytes} bytes, SHA-1 {digests.sha1.hex}",
                found=f"{answer.size_bytes} bytes, SHA-1 {answer.sha1}",
            )
    for path in sent:  # a file without an answer is not proved
        errors[path] = ContentWrongError(path=path, expected="its SHA-1", found="no answer")
    return errors


def _with_error(result: CopyResult, errors: dict[HostPath, AirGapError]) -> CopyResult:
    if not result.written or not result.is_ok or _beside(result) not in errors:
        return result
    return replace(result, digests=None, error=errors[_beside(result)])


def _beside(result: CopyResult) -> HostPath:
    if result.item.beside is None:
        raise ValueError("a written file has a path beside")
    return result.item.beside


def _final(result: CopyResult) -> HostPath:
    if result.item.final is None:
        raise ValueError("a written file has a final path")
    return result.item.final


def _unique(folders: Iterable[HostPath]) -> list[HostPath]:
    return list(dict.fromkeys(folders))
