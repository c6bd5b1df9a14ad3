"""Copy or prove content files, on both sides of the gap; files in parts: ``bundle/parts``.

Each byte is read once, and both digests are taken on the way (of what is only compared with a seal
the BLAKE3 alone). Every batch goes through the same steps, and their order makes them safe:

1. write every file of the batch beside its final name;
2. make all of them durable, together;
3. on another machine: have it read the files that it wrote, and compare size and SHA-1 (the BLAKE3
   was taken from the bytes as they were sent);
4. rename to the final names, then make the names durable.

So a final name never has partial, unproved or volatile bytes, and a kill at any instant leaves at
most some files under names that readers skip. While one batch is made durable, the next batch is
being copied. A file with wrong bytes never gets its final name.

Small files of a batch are copied by one thread together, because starting a thread or a Future for
each of them costs more than reading it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace

from blake3 import blake3

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
# After these errors no other file can succeed, so the caller gets the error instead of results.
_FATAL = (DiskFullError, ConnectionLostError, TimeLimitError)


@dataclass(frozen=True, slots=True)
class CopyItem:
    """One file to copy, or only to prove if there is no destination.

    Attributes:
        sources: Files with its bytes; several files are read one after another as one.
        size_bytes: Expected size; reading stops beyond it.
        sha1: Expected SHA-1; None: not compared.
        blake3: Expected BLAKE3; None: not compared, for example because it is not known yet. A file
            without ``beside`` that is compared with its BLAKE3 alone gets no SHA-1 computed.
        beside: Path for writing; on the same volume as ``final``.
        final: Path after the file is proved and durable. The folder must exist.
        present: True if ``final`` exists with this size. Then that file is proved first, and
            copied only if it is wrong. This needs ``blake3``; without it the file is copied.
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
    """Result of one item: either ``digests`` or ``error``.

    Attributes:
        item: The item.
        digests: Digests of the file's bytes; None also if only its BLAKE3 was computed.
        error: A ``ContentWrongError`` if the bytes were read and are wrong, or another error.
        written: False if the file was only proved, or was already present and intact. For a
            failed file: True if bytes may have been written beside; they were removed again.
    """

    item: CopyItem
    digests: FileDigests | None = None
    error: AirGapError | None = None
    written: bool = False

    @property
    def is_ok(self) -> bool:
        """True if the file is proved and, with a destination, durable under its final name."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Size of a batch: a kill costs at most one batch, and disks are flushed once per batch."""

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
        threads: Number of files that are read at the same time.
        progress: Advanced by bytes; the caller begins and ends it.
        limits: Limits of one batch.

    Raises:
        DiskFullError, ConnectionLostError, TimeLimitError: Nothing more can be copied now.
            Batches that were yielded before remain valid.
    """
    work = _Work(source, destination, progress or Silence())
    with (
        _pool(threads, "copy") as pool,
        _pool(1, "flush") as flush_pool,
    ):
        flushing: Future[list[CopyResult]] | None = None
        for batch in _batches(items, limits or BatchLimits()):
            try:
                copied = _copy_batch(work, batch, pool, threads)
            except AirGapError:
                # The batch before remains valid, so the caller gets it to cache its digests.
                if flushing is not None:
                    yield flushing.result()
                raise
            if flushing is not None:
                yield flushing.result()
            flushing = flush_pool.submit(_make_durable, work, copied)
        if flushing is not None:
            yield flushing.result()


def _pool(threads: int, name: str) -> ThreadPoolExecutor:
    """Make a thread pool with our context variables, by which log lines reach the run's page."""
    context = copy_context()

    def copy_variables() -> None:
        for variable, value in context.items():
            variable.set(value)

    return ThreadPoolExecutor(threads, name, initializer=copy_variables)


@dataclass(frozen=True, slots=True)
class _Work:
    source: Readable
    destination: Host | None
    progress: Progress

    @property
    def is_remote(self) -> bool:
        """True if another machine wrote the files, so that it must read them again as a proof."""
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
    """Do step 1 for a batch, and return results in the order of the batch."""
    results: dict[int, CopyResult] = {}
    futures = [
        pool.submit(_copy_group, work, [(index, batch[index]) for index in group])
        for group in _groups(batch, small_groups=threads if work.is_remote else 1)
    ]
    # Wait for every future, so that no thread still writes after this function has raised.
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    for future in futures:
        results.update(future.result())
    return [results[index] for index in range(len(batch))]


def _groups(batch: Sequence[CopyItem], *, small_groups: int) -> list[list[int]]:
    """Divide the indexes of a batch into groups, each for one thread.

    Large files are alone in a group, the largest first. Small files share groups: one group on
    this machine, where more threads would only compete for the interpreter; several groups for
    another machine, where each file waits for an answer.
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
    """Copy or prove one file; an error that concerns only this file becomes its result."""
    try:
        if item.present and (digests := _prove_present(work, item)) is not None:
            return CopyResult(item, digests)
        if item.beside is None and item.sha1 is None and item.blake3 is not None:
            return _prove_blake3(work, item, item.blake3)
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
        # The file beside may exist; `written=True` has it removed.
        return CopyResult(item, None, error, item.beside is not None)


def _prove_blake3(work: _Work, item: CopyItem, expected: Blake3) -> CopyResult:
    """Prove a file by what a seal binds: size and BLAKE3. SHA-1 would take twice the time."""
    hasher, size_bytes = blake3(), 0
    for chunk in _read_bounded(work.source, item.sources, item.size_bytes):
        hasher.update(chunk)
        size_bytes += len(chunk)
        work.progress.advance(len(chunk))
    sealed = f"{item.size_bytes} bytes, BLAKE3 {expected.hex}"
    actual = f"{size_bytes} bytes, BLAKE3 {hasher.hexdigest()}"
    if actual == sealed:
        return CopyResult(item)
    raise ContentWrongError(path=item.sources[0], expected=sealed, found=actual)


def _prove_present(work: _Work, item: CopyItem) -> FileDigests | None:
    """Read the file under the final name, and return its digests; None if it is wrong."""
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
    """Read files one after another, and stop at the first chunk beyond the expected size."""
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
    expected, actual = difference
    error = ContentWrongError(path=item.sources[0], expected=expected, found=actual)
    return CopyResult(item, None, error, is_written)


def find_difference(item: CopyItem, digests: FileDigests) -> tuple[str, str] | None:
    """Return the expected and the actual value that differ, as text; None if all agree."""
    if digests.size_bytes != item.size_bytes:
        return f"{item.size_bytes} bytes", f"{digests.size_bytes} bytes"
    if item.sha1 is not None and digests.sha1 != item.sha1:
        return f"SHA-1 {item.sha1.hex}", f"SHA-1 {digests.sha1.hex}"
    if item.blake3 is not None and digests.blake3 != item.blake3:
        return f"BLAKE3 {item.blake3.hex}", f"BLAKE3 {digests.blake3.hex}"
    return None


# --- steps 2 to 4 ---------------------------------------------------------------------------------


def _make_durable(work: _Work, results: Sequence[CopyResult]) -> list[CopyResult]:
    """Make a batch durable, and give its intact files their final names."""
    if work.destination is None:
        return list(results)
    errors: dict[HostPath, AirGapError] = {}  # by the path beside, which is unique in a batch
    good = [_beside(result) for result in results if result.written and result.is_ok]
    errors.update(work.destination.flush_files(good).failed)
    if work.is_remote:
        errors.update(_prove_on_destination(work.destination, results))
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


def _prove_on_destination(
    destination: Host, results: Sequence[CopyResult]
) -> dict[HostPath, AirGapError]:
    """Have the destination read the files that it wrote; return errors by path."""
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
