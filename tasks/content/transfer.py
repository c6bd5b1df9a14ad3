"""The one way content bytes are copied or proved, on either side of the gap.

Each byte is read once and passes both digests on its way. A batch goes through the same steps
every time, and the order is what makes it safe:

1. write every file of the batch beside its final name;
2. make all of them durable, together;
3. on another machine: have it read what it wrote and compare size and SHA-1 (the BLAKE3 was
   taken of the bytes as they were sent);
4. rename to the final names, then make the names durable.

So a final name is never seen with partial, unproved or volatile bytes, and a kill at any instant
leaves at most some files under names that nobody reads. While one batch is made durable the next
one is already being copied. A file whose bytes are wrong never gets its final name.

Small files share one piece of work: a thread, or a Future, for each of them costs more than
reading them does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

from tasks.content.digest import Digester
from tasks.content.names import Blake3, ContentDigest, FileDigests
from tasks.errors import (
    AirGapError,
    ConnectionLostError,
    ContentWrongError,
    DiskFullError,
    FailedError,
    TimeLimitError,
)
from tasks.hosts.host import FileHash, Host, Readable
from tasks.hosts.paths import HostPath
from tasks.progress import Progress, Silence
from tasks.refusals import FolderUnsafeError

SMALL_FILE_BYTES = 1_048_576
# After these no other file has a chance either: the caller gets them instead of a result.
_FATAL = (DiskFullError, ConnectionLostError, TimeLimitError)


@dataclass(frozen=True, slots=True)
class CopyItem:
    """One file to copy, or only to prove when there is no destination.

    Attributes:
        sources: Where its bytes lie; several files are read one after another as one.
        size_bytes: How many bytes there must be; reading stops beyond.
        sha1: What the bytes must have; None leaves it open.
        blake3: The same; None where nobody knows it yet (it is in the result).
        beside: Where it is written first; on the same volume as ``final``.
        final: Its name when it is proved and durable. The folder must exist.
        present: A file of this size already lies under ``final``: prove that one, and copy only
            when it is not what is expected. Needs ``blake3``; without it the file is copied.
    """

    sources: tuple[HostPath, ...]
    size_bytes: int
    sha1: ContentDigest | None = None
    blake3: Blake3 | None = None
    beside: HostPath | None = None
    final: HostPath | None = None
    present: bool = False


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What became of one item: ``digests`` of its bytes, or the ``error``; never both.

    ``error`` is a ``ContentWrongError`` when the bytes were read and are not those expected.
    ``written`` is False for what was only proved, or already lay there whole; of a file that
    failed it says that something was, or may have been, written beside and has been removed.
    """

    item: CopyItem
    digests: FileDigests | None = None
    error: AirGapError | None = None
    written: bool = False

    @property
    def is_ok(self) -> bool:
        """Whether the file is proved and, if there is a destination, durable in its place."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How large a batch grows: what a kill costs at most, and how seldom disks are flushed."""

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

    Lazy: nothing happens until the first batch is asked for, and items are taken only as needed.
    When a batch comes out, its files are durable under their final names. Run again, it does
    what is left when the caller marks what is there as ``present``.

    Args:
        source: Where the bytes are.
        destination: Where they go; None reads and compares only.
        items: What to copy; may be endless, is read from one thread.
        threads: How many files are read at the same time.
        progress: Is advanced by bytes; begun and ended by the caller.
        limits: Of one batch.

    Raises:
        DiskFullError, ConnectionLostError, TimeLimitError: Nothing more can be done now.
            Batches that came out before stand.
    """
    work = _Work(source, destination, progress or Silence())
    with (
        _pool(threads, "copy") as pool,
        _pool(1, "settle") as settler,
    ):
        settling: Future[list[CopyResult]] | None = None
        for batch in _batches(items, limits or BatchLimits()):
            try:
                copied = _copy_batch(work, batch, pool, threads)
            except AirGapError:
                # The batch before stands, and whoever remembers digests should hear of it.
                if settling is not None:
                    yield settling.result()
                raise
            if settling is not None:
                yield settling.result()
            settling = settler.submit(_settle, work, copied)
        if settling is not None:
            yield settling.result()


def _pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Threads in our context: by it their log lines find the page of the run."""
    context = copy_context()

    def take_over() -> None:
        for variable, value in context.items():
            variable.set(value)

    return ThreadPoolExecutor(threads, name, initializer=take_over)


@dataclass(frozen=True, slots=True)
class _Work:
    source: Readable
    destination: Host | None
    progress: Progress

    @property
    def is_remote(self) -> bool:
        """Whether what was written must be read again where it lies, since we only sent it."""
        return self.destination is not None and self.destination.address != "local"


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


def _copy_batch(
    work: _Work, batch: Sequence[CopyItem], pool: ThreadPoolExecutor, threads: int
) -> list[CopyResult]:
    """Do step 1 for a batch; results stand in the order of the batch."""
    results: dict[int, CopyResult] = {}
    futures = [
        pool.submit(_copy_group, work, [(index, batch[index]) for index in group])
        for group in _groups(batch, small_groups=threads if work.is_remote else 1)
    ]
    # Ask every future, so that none still writes when an error leaves this function.
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    for future in futures:
        results.update(future.result())
    return [results[index] for index in range(len(batch))]


def _groups(batch: Sequence[CopyItem], *, small_groups: int) -> list[list[int]]:
    """Divide a batch into pieces of work: large files alone, largest first, small ones together.

    Small files on this machine are one piece (threads would only fight for the interpreter); on
    another machine each waits for an answer, so there they are divided.
    """
    large = [i for i, item in enumerate(batch) if item.size_bytes > SMALL_FILE_BYTES]
    small = [i for i, item in enumerate(batch) if item.size_bytes <= SMALL_FILE_BYTES]
    large.sort(key=lambda index: -batch[index].size_bytes)
    groups = [[index] for index in large]
    groups.extend(part for start in range(small_groups) if (part := small[start::small_groups]))
    return groups


def _copy_group(work: _Work, group: Sequence[tuple[int, CopyItem]]) -> dict[int, CopyResult]:
    return {index: _copy_one(work, item) for index, item in group}


def _copy_one(work: _Work, item: CopyItem) -> CopyResult:
    """Copy or prove one file; an error of this file alone becomes its result."""
    try:
        if item.present and (digests := _prove_present(work, item)) is not None:
            return CopyResult(item, digests)
        digester = Digester()
        chunks = digester.watch(_read_bounded(work.source, item.sources, item.size_bytes))
        if work.destination is None or item.beside is None:
            _drain(chunks, work.progress)
        else:
            work.destination.write(item.beside, _reported(chunks, work.progress))
        return _judge(item, digester.result(), is_written=item.beside is not None)
    except _FATAL:
        raise
    except (FailedError, FolderUnsafeError) as error:
        # Something may lie under the name beside; `written` has it removed.
        return CopyResult(item, None, error, item.beside is not None)


def _prove_present(work: _Work, item: CopyItem) -> FileDigests | None:
    """Read what already lies under the final name; None when it is not what is expected."""
    if work.destination is None or item.final is None or item.blake3 is None:
        return None
    digester = Digester()
    try:
        _drain(
            digester.watch(_read_bounded(work.destination, (item.final,), item.size_bytes)),
            work.progress,
        )
    except _FATAL:
        raise
    except (FailedError, FolderUnsafeError):
        return None
    digests = digester.result()
    return digests if find_difference(item, digests) is None else None


def _read_bounded(
    host: Readable, sources: Sequence[HostPath], limit_bytes: int
) -> Iterator[bytes | memoryview]:
    """Read files one after another, and not one chunk further than was announced."""
    total = 0
    for path in sources:
        for chunk in host.read(path):
            total += len(chunk)
            if total > limit_bytes:
                raise ContentWrongError(
                    path=path, expected=f"{limit_bytes} bytes", found="more than that"
                )
            yield chunk


def _reported(
    chunks: Iterable[bytes | memoryview], progress: Progress
) -> Iterator[bytes | memoryview]:
    for chunk in chunks:
        progress.advance(len(chunk))
        yield chunk


def _drain(chunks: Iterable[bytes | memoryview], progress: Progress) -> None:
    for chunk in chunks:
        progress.advance(len(chunk))


def _judge(item: CopyItem, digests: FileDigests, *, is_written: bool) -> CopyResult:
    difference = find_difference(item, digests)
    if difference is None:
        return CopyResult(item, digests, None, is_written)
    expected, found = difference
    error = ContentWrongError(path=item.sources[0], expected=expected, found=found)
    return CopyResult(item, None, error, is_written)


def find_difference(item: CopyItem, digests: FileDigests) -> tuple[str, str] | None:
    """Say what was expected and what was found, or None when all agrees."""
    if digests.size_bytes != item.size_bytes:
        return f"{item.size_bytes} bytes", f"{digests.size_bytes} bytes"
    if item.sha1 is not None and digests.sha1 != item.sha1:
        return f"SHA-1 {item.sha1.hex}", f"SHA-1 {digests.sha1.hex}"
    if item.blake3 is not None and digests.blake3 != item.blake3:
        return f"BLAKE3 {item.blake3.hex}", f"BLAKE3 {digests.blake3.hex}"
    return None


# --- steps 2 to 4 ---------------------------------------------------------------------------------


def _settle(work: _Work, results: Sequence[CopyResult]) -> list[CopyResult]:
    """Make a batch durable and give its good files their final names."""
    if work.destination is None:
        return list(results)
    errors: dict[HostPath, AirGapError] = {}  # by the name beside, which is unique in a batch
    good = [_beside(result) for result in results if result.written and result.is_ok]
    errors.update(work.destination.flush_files(good).failed)
    if work.is_remote:
        errors.update(_prove_on_the_spot(work.destination, results))
    moves = [
        (_beside(result), _final(result))
        for result in results
        if result.written and result.is_ok and _beside(result) not in errors
    ]
    renamed = work.destination.rename(moves)
    errors.update({move[0]: error for move, error in renamed.failed})
    work.destination.flush_folders(_unique(final.parent for _, final in renamed.ok))
    for error in errors.values():
        if isinstance(error, _FATAL):
            raise error
    bad = [_beside(r) for r in results if r.written and (not r.is_ok or _beside(r) in errors)]
    work.destination.remove(bad)
    return [_with_error(result, errors) for result in results]


def _prove_on_the_spot(
    destination: Host, results: Sequence[CopyResult]
) -> dict[HostPath, AirGapError]:
    """Have another machine read what it wrote, and compare size and SHA-1."""
    sent = {_beside(r): r.digests for r in results if r.written and r.digests is not None}
    errors: dict[HostPath, AirGapError] = {}
    for answer in destination.hash_files(list(sent)):
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
    for path in sent:  # no answer is no proof
        errors[path] = ContentWrongError(path=path, expected="its SHA-1", found="no answer")
    return errors


def _with_error(result: CopyResult, errors: dict[HostPath, AirGapError]) -> CopyResult:
    if not result.written or not result.is_ok or _beside(result) not in errors:
        return result
    return replace(result, digests=None, error=errors[_beside(result)])


def _beside(result: CopyResult) -> HostPath:
    if result.item.beside is None:
        raise ValueError("what was written has a name beside")
    return result.item.beside


def _final(result: CopyResult) -> HostPath:
    if result.item.final is None:
        raise ValueError("what is written beside has a final name")
    return result.item.final


def _unique(folders: Iterable[HostPath]) -> list[HostPath]:
    return list(dict.fromkeys(folders))
