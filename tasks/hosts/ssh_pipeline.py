"""Many files in flight on one SFTP channel: their exchanges run at the same time.

A file's exchange needs several round trips, one after the other. With one file at a time a server
that answers in 10 ms handles 25 files a second; with 64 in flight the line and the disks decide.

| event | result |
|---|---|
| all awaited answers of an exchange have arrived, in any order | it goes on |
| an exchange ends, or meets an error of its own file | its result is yielded; others go on |
| the connection breaks | unfinished exchanges begin again on a new channel, ``is_repeated`` |
| the caller stops early | the channel is closed, since answers are still on their way |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tasks.errors import AirGapError
from tasks.hosts.ssh_connection import Channel, SshConnection
from tasks.hosts.ssh_paramiko import Packet
from tasks.hosts.ssh_sftp import Exchange, Limits, SftpChannel, SftpStatusError

# Bytes of all files in flight: enough for a fast line with some delay.
IN_FLIGHT_BYTES = 16 * 1024 * 1024

# Ends that are yielded together, so that the requests of the next jobs are sent together.
_MOST_ENDED = 16

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Job(Generic[Item, Result]):
    """Work on one file.

    Attributes:
        item: What the end of the job is reported with.
        begin: Makes the exchange; the argument is True if it may have been carried out before, on
            a connection that broke.
        size_bytes: Bytes that it holds in memory while it is in flight.
    """

    item: Item
    begin: Callable[[Limits, bool], Exchange[Result]]
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Ended(Generic[Item, Result]):
    """The end of a job: its result, or the error of its file alone."""

    item: Item
    result: Result | None = None
    error: SftpStatusError | AirGapError | None = None


@dataclass(slots=True, eq=False)
class _Running(Generic[Item, Result]):
    """A job in flight, with the answers that have arrived since it was continued last."""

    job: Job[Item, Result]
    exchange: Exchange[Result]
    numbers: list[int] = field(default_factory=list)
    answers: dict[int, Packet] = field(default_factory=dict)


def run_jobs(
    connection: SshConnection, jobs: Iterable[Job[Item, Result]]
) -> Iterator[Ended[Item, Result]]:
    """Carry out jobs, many at a time, and yield how each ended, in any order.

    Jobs are taken only as there is room for them, by the calling thread.

    Raises:
        ConnectionLostError: The connection broke at every try.
    """
    with connection.channel() as channel:
        pipeline = Pipeline(channel, iter(jobs))
        try:
            yield from pipeline.ends()
        finally:
            pipeline.close()


class Pipeline(Generic[Item, Result]):
    """Jobs in flight on one channel."""

    def __init__(self, channel: Channel, jobs: Iterator[Job[Item, Result]]) -> None:
        self._channel = channel
        self._jobs = jobs
        self._next_job = next(jobs, None)
        self._sftp: SftpChannel | None = None
        self._limits = Limits()
        # In flight are the jobs to be begun on the present channel, and those that run there.
        self._unbegun: list[tuple[Job[Item, Result], bool]] = []  # with True if repeated
        self._running: dict[_Running[Item, Result], None] = {}  # in the order of the jobs
        self._in_flight_bytes = 0
        self._by_number: dict[int, _Running[Item, Result]] = {}
        self._ended: list[Ended[Item, Result]] = []

    def ends(self) -> Iterator[Ended[Item, Result]]:
        """Yield how each job ended."""
        while self._fill():
            self._channel.call(self._advance)
            ended, self._ended = self._ended, []
            yield from ended

    def close(self) -> None:
        """Give up what is still in flight."""
        if self._running:
            self._channel.discard()

    def _fill(self) -> bool:
        """Take jobs while there is room for them; False when none is in flight."""
        while self._next_job is not None and self._has_room(self._next_job):
            self._unbegun.append((self._next_job, False))
            self._in_flight_bytes += self._next_job.size_bytes
            self._next_job = next(self._jobs, None)
        return bool(self._unbegun or self._running)

    def _has_room(self, job: Job[Item, Result]) -> bool:
        in_flight = len(self._unbegun) + len(self._running)
        return not in_flight or (
            in_flight < self._limits.open_files
            and self._in_flight_bytes + job.size_bytes <= IN_FLIGHT_BYTES
        )

    def _advance(self, sftp: SftpChannel) -> None:
        """Begin jobs, and take answers until at least one job has ended, and none is ready."""
        if sftp is not self._sftp:
            self._begin_again(sftp)
        unbegun, self._unbegun = self._unbegun, []
        for job, is_repeated in unbegun:
            running = _Running(job, job.begin(sftp.limits, is_repeated))
            self._running[running] = None
            self._continue(sftp, running, None)
        while not self._ended or (len(self._ended) < _MOST_ENDED and sftp.has_answer()):
            number, packet = sftp.any_answer()
            running = self._by_number.pop(number)
            running.answers[number] = packet
            if len(running.answers) == len(running.numbers):
                answers = [running.answers[number] for number in running.numbers]
                self._continue(sftp, running, answers)
        sftp.send_posted()

    def _begin_again(self, sftp: SftpChannel) -> None:
        self._unbegun = [(running.job, True) for running in self._running] + self._unbegun
        self._running.clear()
        self._by_number.clear()
        self._sftp, self._limits = sftp, sftp.limits

    def _continue(
        self, sftp: SftpChannel, running: _Running[Item, Result], answers: list[Packet] | None
    ) -> None:
        """Give an exchange its answers (None: begin it), and post its next requests."""
        exchange, numbers = running.exchange, list[int]()
        try:
            while not numbers:  # nothing to wait for: the exchange goes on at once
                requests = next(exchange) if answers is None else exchange.send(answers)
                numbers, answers = sftp.post_all(requests), []
        except StopIteration as end:
            self._end(Ended(running.job.item, result=end.value), running)
        except (SftpStatusError, AirGapError) as error:
            self._end(Ended(running.job.item, error=error), running)
        else:
            running.numbers, running.answers = numbers, {}
            self._by_number.update(dict.fromkeys(numbers, running))

    def _end(self, ended: Ended[Item, Result], running: _Running[Item, Result]) -> None:
        self._ended.append(ended)
        del self._running[running]
        self._in_flight_bytes -= running.job.size_bytes
