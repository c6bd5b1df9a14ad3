"""Calls to Prefect's API: repeated while its server is away, up to a limit of time.

Prefect calls its API from the engine, from our own calls and from threads that send logs and
events. All of them go through one of two classes, whose ``send`` is wrapped here. A call that finds
the server away is repeated until the limit. From then on the server counts as lost: every call
fails at once with the same ``PrefectServerError``, and nothing waits any more.

This module and ``deploy.prefect_server.application`` are the only ones with members that Prefect
(3.8.8) does not document. Here they are ``prefect.client.base.PrefectHttpxSyncClient`` and
``PrefectHttpxAsyncClient``, for the threads
``prefect._internal.concurrency.services._active_services`` with ``_task``, ``_loop`` and
``_done_event`` of each, and ``prefect.flow_engine._send_heartbeats``.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from threading import Lock

import httpx
from prefect import flow_engine
from prefect._internal.concurrency import services
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL

from tasks.errors import PrefectServerError
from tasks.hosts.waiting import watched
from tasks.logs import log

_AWAY_SECONDS = 45.0
_PAUSE_SECONDS = 0.5
_LINE_SECONDS = 20.0
_REPORT_SECONDS = 60.0
_DRAIN_SECONDS = 10.0
_ABANDON_SECONDS = 2.0
_REMEDY = "See that this server runs and answers, then run the same command again."
_AWAY = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)


class _Server:
    """State of the server that this process calls: present, or lost for a reason."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._fault: PrefectServerError | None = None
        self._line_at = -_LINE_SECONDS
        self.away_seconds = _AWAY_SECONDS
        self.report_every_seconds = _REPORT_SECONDS

    def begin(self, away_seconds: float, report_every_seconds: float = _REPORT_SECONDS) -> None:
        with self._lock:
            self._fault, self._line_at = None, -_LINE_SECONDS
            self.away_seconds = away_seconds
            self.report_every_seconds = report_every_seconds

    def lose(self, fault: PrefectServerError) -> PrefectServerError:
        """Count the server as lost, and return the fault that was given first."""
        with self._lock:
            self._fault = self._fault or fault
            return self._fault

    def require(self) -> None:
        if self._fault is not None:
            raise PrefectServerError(**self._fault.facts)

    def claim_line(self) -> bool:
        """Claim a line about waiting; True if one is due, since many calls may wait at once."""
        now = time.monotonic()
        with self._lock:
            is_due = now - self._line_at > _LINE_SECONDS
            self._line_at = now if is_due else self._line_at
        return is_due

    @property
    def is_lost(self) -> bool:
        return self._fault is not None


_server = _Server()
lose_server = _server.lose


@contextmanager
def server_within(
    away_seconds: float = _AWAY_SECONDS, *, report_every_seconds: float = _REPORT_SECONDS
) -> Iterator[None]:
    """Limit the time that calls wait for a server that is away; at the end send what is queued.

    Args:
        away_seconds: Longest wait of a call. After it, or after ``lose_server``, the server is
            lost, and queued logs and events are dropped.
        report_every_seconds: Interval of the lines about a call that is not answered.
    """
    _server.begin(away_seconds, report_every_seconds)
    # Prefect's log thread would print on stderr the records that it could not send.
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        end_workers()
        logging.raiseExceptions = before
        _server.begin(_AWAY_SECONDS)  # another server may be called next


def server_fault(error: BaseException | None) -> PrefectServerError | None:
    """Return the fault of Prefect's server that caused an error; None if it has another cause.

    Only Prefect speaks HTTP through httpx in this process.
    """
    pending, seen = [error], set()
    while pending:
        cause = pending.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, PrefectServerError):
            return cause
        if isinstance(cause, httpx.HTTPError):
            address = str(PREFECT_API_URL.value())
            return PrefectServerError(address=address, reason=_reason(cause), remedy=_REMEDY)
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)
        pending += [cause.__cause__, cause.__context__]
    return None


def end_workers() -> None:
    """Have Prefect's threads send their queued records, and end those that cannot.

    Otherwise they would find the server gone and go on trying for more than a minute after the
    command has done its work, and Python would wait for them.
    """
    tasks = [(worker, worker._task) for worker in list(services._active_services)]
    seconds = _ABANDON_SECONDS if _server.is_lost else _DRAIN_SECONDS
    for kind in (APILogWorker, EventsWorker):
        kind.drain_all(timeout=seconds)
    for worker, task in tasks:
        if task is not None and worker._loop is not None:
            worker._loop.call_soon_threadsafe(task.cancel)
    give_up = time.monotonic() + _ABANDON_SECONDS
    working = [worker._done_event for worker, _ in tasks if worker._done_event is not None]
    while time.monotonic() < give_up and not all(done.is_set() for done in working):
        time.sleep(0.02)


# --- the calls -------------------------------------------------------------------------------


class _Attempts:
    """Attempts of one call."""

    def __init__(self, address: object) -> None:
        self._address = str(address).rstrip("/")
        self._began = time.monotonic()
        _server.require()

    def watched(self) -> AbstractContextManager[object]:
        """Report a try that the server accepts and does not answer, as long as it lasts."""
        return watched(
            f"Prefect's server at {self._address}",
            report_every_seconds=_server.report_every_seconds,
            report=_report_wait,
        )

    def require_retry(self, error: Exception) -> None:
        """Require that the call may be repeated after this error.

        Raises:
            PrefectServerError: The server is lost, or its time is over.
            Exception: The error, if the server is not away.
        """
        _server.require()
        if not _is_away(error):
            raise error
        seconds = time.monotonic() - self._began
        if seconds < _server.away_seconds:
            if seconds > _LINE_SECONDS and _server.claim_line():
                log.warning("Prefect's server at %s does not answer; waiting", self._address)
            return
        reason = f"it did not answer within {_server.away_seconds:.0f} seconds ({_reason(error)})"
        raise _server.lose(
            PrefectServerError(address=self._address, reason=reason, remedy=_REMEDY)
        ) from error


def _report_wait(sentence: str) -> None:
    if _server.claim_line():
        log.warning(sentence)


def _is_away(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code in _AWAY
    return isinstance(error, httpx.TransportError)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _keep_trying(send: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    @functools.wraps(send)
    def send_until_limit(
        self: httpx.Client, request: httpx.Request, *args: object, **kwargs: object
    ) -> httpx.Response:
        attempts = _Attempts(self.base_url)
        while True:
            try:
                with attempts.watched():
                    return send(self, request, *args, **kwargs)
            except httpx.HTTPError as error:
                attempts.require_retry(error)
            time.sleep(_PAUSE_SECONDS)

    return send_until_limit


def _keep_trying_async(
    send: Callable[..., Awaitable[httpx.Response]],
) -> Callable[..., Awaitable[httpx.Response]]:
    @functools.wraps(send)
    async def send_until_limit(
        self: httpx.AsyncClient, request: httpx.Request, *args: object, **kwargs: object
    ) -> httpx.Response:
        attempts = _Attempts(self.base_url)
        while True:
            try:
                with attempts.watched():
                    return await send(self, request, *args, **kwargs)
            except httpx.HTTPError as error:
                attempts.require_retry(error)
            await asyncio.sleep(_PAUSE_SECONDS)

    return send_until_limit


# Once for each process, when this module is imported.
PrefectHttpxSyncClient.send = _keep_trying(PrefectHttpxSyncClient.send)  # type: ignore[method-assign]
PrefectHttpxAsyncClient.send = _keep_trying_async(PrefectHttpxAsyncClient.send)  # type: ignore[assignment,method-assign]
# The thread that reports that a run lives looks once a second whether the run has ended. It is a
# daemon and reports nothing more, so that nobody has to wait for it.
flow_engine._send_heartbeats = functools.partial(flow_engine._send_heartbeats, join_on_exit=False)
