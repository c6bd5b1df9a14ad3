"""Calls to Prefect's API: tried again while its server is away, and never for ever.

Prefect calls its API from the engine, from our own calls and from threads that send logs and
events. All of them go through one of two classes, and their ``send`` is wrapped here: a call that
finds the server away is made again until the server's time is over. From then on the server is
lost, every call fails at once with the same ``PrefectServerError``, and nothing waits any more.

This module and ``deploy.prefect_server.application`` are the only ones with members that Prefect
(3.8.8) does not document. Here they are ``prefect.client.base.PrefectHttpxSyncClient`` and
``PrefectHttpxAsyncClient``, and for the threads
``prefect._internal.concurrency.services._active_services`` with ``_task``, ``_loop`` and
``_done_event`` of each.
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
from prefect._internal.concurrency import services
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.events.worker import EventsWorker
from prefect.exceptions import PrefectHTTPStatusError
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL

from tasks.errors import PrefectServerError
from tasks.hosts.waiting import watched

log = logging.getLogger("wsus_airgap")

_AWAY_SECONDS = 45.0
_PAUSE_SECONDS = 0.5
_TELL_SECONDS = 20.0
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
    """The server that this process calls, and whether it is lost."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._fault: PrefectServerError | None = None
        self._told = -_TELL_SECONDS
        self.away_seconds = _AWAY_SECONDS
        self.report_every_seconds = _REPORT_SECONDS

    def begin(self, away_seconds: float, report_every_seconds: float = _REPORT_SECONDS) -> None:
        with self._lock:
            self._fault, self._told = None, -_TELL_SECONDS
            self.away_seconds = away_seconds
            self.report_every_seconds = report_every_seconds

    def lose(self, fault: PrefectServerError) -> PrefectServerError:
        """Lose the server, and answer with the first reason that was given for it."""
        with self._lock:
            self._fault = self._fault or fault
            return self._fault

    def require(self) -> None:
        if self._fault is not None:
            raise PrefectServerError(**self._fault.facts)

    def may_tell(self) -> bool:
        """Allow one line at a time on waiting for the server: many calls may wait at once."""
        now = time.monotonic()
        with self._lock:
            before, self._told = self._told, now
        return now - before > _TELL_SECONDS

    @property
    def is_lost(self) -> bool:
        return self._fault is not None


_server = _Server()
lose_server = _server.lose


@contextmanager
def server_within(
    away_seconds: float = _AWAY_SECONDS, *, report_every_seconds: float = _REPORT_SECONDS
) -> Iterator[None]:
    """Call a server that may be away for a while; at the end send what is still to be sent.

    Args:
        away_seconds: How long a call waits for it. After that, or with ``lose_server``, it is
            lost, and what is still to be sent is dropped.
        report_every_seconds: How long nobody hears of a call that has no answer yet.
    """
    _server.begin(away_seconds, report_every_seconds)
    # Prefect's thread for logs would write on stderr what it could not send.
    before, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        yield
    finally:
        end_workers()
        logging.raiseExceptions = before
        _server.begin(_AWAY_SECONDS)  # another server may be called next


def server_fault(error: BaseException | None) -> PrefectServerError | None:
    """The fault of Prefect's server that an error comes from; None when it comes from elsewhere.

    Nothing else in this process speaks HTTP through httpx.
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
            return PrefectServerError(address=address, reason=_said(cause), remedy=_REMEDY)
        if isinstance(cause, BaseExceptionGroup):
            pending.extend(cause.exceptions)
        pending += [cause.__cause__, cause.__context__]
    return None


def end_workers() -> None:
    """Send what Prefect's threads still hold for the API, and end those that cannot.

    Undrained, they would find the server gone and go on trying for more than a minute after the
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


class _Patience:
    """The tries of one call."""

    def __init__(self, address: object) -> None:
        self._address = str(address).rstrip("/")
        self._began = time.monotonic()
        _server.require()

    def watched(self) -> AbstractContextManager[object]:
        """Stand beside one try: a server that takes it and never answers is named meanwhile."""
        return watched(
            f"Prefect's server at {self._address}",
            report_every_seconds=_server.report_every_seconds,
            report=_tell,
        )

    def bear(self, error: Exception) -> None:
        """Go on after a try that failed, or raise that the server is lost."""
        _server.require()
        if not _is_away(error):
            raise error
        seconds = time.monotonic() - self._began
        if seconds < _server.away_seconds:
            if seconds > _TELL_SECONDS and _server.may_tell():
                log.warning("Prefect's server at %s does not answer; waiting", self._address)
            return
        reason = f"it did not answer within {_server.away_seconds:.0f} seconds ({_said(error)})"
        raise _server.lose(
            PrefectServerError(address=self._address, reason=reason, remedy=_REMEDY)
        ) from error


def _tell(sentence: str) -> None:
    if _server.may_tell():
        log.warning(sentence)


def _is_away(error: Exception) -> bool:
    if isinstance(error, PrefectHTTPStatusError):
        return error.response.status_code in _AWAY
    return isinstance(error, httpx.TransportError)


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _keep_trying(send: Callable[..., httpx.Response]) -> Callable[..., httpx.Response]:
    @functools.wraps(send)
    def patient(
        self: httpx.Client, request: httpx.Request, *args: object, **kwargs: object
    ) -> httpx.Response:
        patience = _Patience(self.base_url)
        while True:
            try:
                with patience.watched():
                    return send(self, request, *args, **kwargs)
            except httpx.HTTPError as error:
                patience.bear(error)
            time.sleep(_PAUSE_SECONDS)

    return patient


def _keep_trying_async(
    send: Callable[..., Awaitable[httpx.Response]],
) -> Callable[..., Awaitable[httpx.Response]]:
    @functools.wraps(send)
    async def patient(
        self: httpx.AsyncClient, request: httpx.Request, *args: object, **kwargs: object
    ) -> httpx.Response:
        patience = _Patience(self.base_url)
        while True:
            try:
                with patience.watched():
                    return await send(self, request, *args, **kwargs)
            except httpx.HTTPError as error:
                patience.bear(error)
            await asyncio.sleep(_PAUSE_SECONDS)

    return patient


# Once for each process, when this module is imported.
PrefectHttpxSyncClient.send = _keep_trying(PrefectHttpxSyncClient.send)  # type: ignore[method-assign]
PrefectHttpxAsyncClient.send = _keep_trying_async(PrefectHttpxAsyncClient.send)  # type: ignore[assignment,method-assign]
