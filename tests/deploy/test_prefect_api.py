"""Calls to Prefect's API whose server is away, comes back, or never answers."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import httpx
import pytest
from prefect import State, flow, flow_engine
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_INTERNAL_LEVEL,
    temporary_settings,
)

from deploy.prefect_server.embedded import EmbeddedServer
from tasks import prefect_api
from tasks.errors import PrefectServerError
from tasks.flow_run import report_of
from tasks.reports.model import CommandReport
from tasks.run_page import show_text
from tests.test_architecture import module_of, sources, tree_of


@pytest.fixture(autouse=True)
def one_retry() -> Iterator[None]:
    """Set Prefect's own retries as our commands do, which wait by themselves."""
    with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
        yield


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        # As a server whose database is locked, for one call.
        busy = self.server.__dict__.setdefault("busy", [503])
        self.send_response(busy.pop() if busy else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def answering(port: int) -> Iterator[None]:
    server = HTTPServer(("127.0.0.1", port), _Answers)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def silent() -> Iterator[int]:
    """A port that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_the_members_that_prefect_does_not_document_are_those_of_the_installed_version() -> None:
    hidden = re.compile(r"\bprefect\._|_active_services")
    documents = {
        module_of(path): str(ast.get_docstring(tree_of(path)))
        for path in sources("flows", "tasks", "deploy")
        if hidden.search(path.read_text(encoding="utf-8"))
    }

    assert documents.keys() == {"tasks.prefect_api", "deploy.prefect_server.application"}
    for document in documents.values():
        # With another version: read what the module says it uses, there, then name that version.
        assert f"Prefect ({version('prefect')})" in " ".join(document.split())


def test_a_run_does_not_wait_for_the_thread_that_tells_that_it_lives() -> None:
    heartbeats = inspect.signature(flow_engine._send_heartbeats)

    assert heartbeats.parameters["join_on_exit"].default is False


def test_a_call_waits_for_a_server_that_comes_back() -> None:
    port = free_port()
    answers: list[int] = []

    def call() -> None:
        with PrefectHttpxSyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            answers.append(client.get("/health").status_code)

    with prefect_api.server_within(30):
        caller = threading.Thread(target=call)
        caller.start()
        time.sleep(0.5)
        with answering(port):
            caller.join(20)

    assert answers == [200]


@pytest.mark.parametrize("is_async", [False, True], ids=["engine", "threads"])
def test_a_server_that_takes_calls_and_never_answers_is_lost_after_its_time(
    is_async: bool,
) -> None:
    async def call(url: str) -> None:
        async with PrefectHttpxAsyncClient(base_url=url, timeout=0.2) as client:
            await client.get("/health")

    def call_once(url: str) -> None:
        if is_async:
            asyncio.run(call(url))
            return
        with PrefectHttpxSyncClient(base_url=url, timeout=0.2) as client:
            client.get("/health")

    with silent() as port, prefect_api.server_within(1):
        url = f"http://127.0.0.1:{port}"
        with pytest.raises(PrefectServerError, match=url) as caught:
            call_once(url)
        began = time.monotonic()
        with pytest.raises(PrefectServerError) as again:
            call_once(url)
        assert time.monotonic() - began < 1, "once it is lost nobody waits for it again"

    assert again.value.message == caught.value.message


def test_a_server_that_never_answers_is_named_while_it_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level("WARNING", "wsus_airgap"),
        silent() as port,
        prefect_api.server_within(1, report_every_seconds=0.2),
        pytest.raises(PrefectServerError),
        PrefectHttpxSyncClient(base_url=f"http://127.0.0.1:{port}", timeout=1.5) as client,
    ):
        client.get("/health")

    (line,) = caplog.messages
    assert line.startswith(f"still waiting for Prefect's server at http://127.0.0.1:{port}, for")


def test_who_waits_for_a_server_hears_that_it_is_lost() -> None:
    fault = PrefectServerError(address="here", reason="it is lost", remedy="Go on.")
    with prefect_api.server_within(60):
        timer = threading.Timer(0.5, prefect_api.lose_server, [fault])
        timer.start()
        with (
            pytest.raises(PrefectServerError, match="it is lost"),
            PrefectHttpxSyncClient(base_url=f"http://127.0.0.1:{free_port()}") as client,
        ):
            client.get("/health")


def test_a_run_ends_in_one_sentence_when_the_server_of_its_site_goes_away(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedServer(tmp_path, auth=False) as server:
        server.wait_ready()

        @flow(name="import")
        def told(site: str) -> State[CommandReport]:
            server.stop()
            show_text("never", f"shown of {site}", "")
            raise AssertionError("the server is gone")

        settings = {
            PREFECT_API_URL: server.api_url,
            PREFECT_LOGGING_INTERNAL_LEVEL: "CRITICAL",
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
        with temporary_settings(settings):
            with prefect_api.server_within(2):
                report = report_of(told, site="alpha")
                began = time.monotonic()
            assert time.monotonic() - began < 5, "what cannot be sent is dropped"

    assert (report.exit_code, report.site) == (1, "alpha")
    assert [error.kind for error in report.errors] == ["prefect-server"]
    assert server.api_url in report.errors[0].message
    assert "Error" not in capfd.readouterr().err


def test_an_error_is_the_servers_wherever_in_its_causes_the_server_stands() -> None:
    request = httpx.Request("GET", "http://127.0.0.1/api")
    wrapped = RuntimeError("Failed to reach API")
    wrapped.__cause__ = httpx.ConnectError("refused", request=request)
    grouped = ExceptionGroup("tasks", [ValueError("other"), wrapped])

    assert prefect_api.server_fault(ValueError("ours")) is None
    for error in (wrapped, grouped):
        fault = prefect_api.server_fault(error)
        assert fault is not None
        assert "refused" in fault.message
