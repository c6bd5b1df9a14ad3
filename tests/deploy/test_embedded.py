"""The embedded server, as a real child with a real database, asked over real sockets."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.prefect_server.connection import calling
from deploy.prefect_server.embedded import EmbeddedServer
from deploy.prefect_server.embedded_child import lay_out_database
from deploy.prefect_server.settings import Listening, clean_environment
from tasks.errors import HostFileError, PrefectServerError
from tests.support import needs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tmp_path_factory.mktemp("state") / "prefect", ui=True) as started:
        started.wait_ready()
        yield started


def _ask(
    server: EmbeddedServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(
        method, path, body="{}" if method == "POST" else None,
        headers={"Content-Type": "application/json", **fields},
    )  # fmt: skip
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, body


def _secret(server: EmbeddedServer) -> str:
    assert server.auth_string is not None
    return "Basic " + base64.b64encode(server.auth_string.encode()).decode()


def test_nothing_is_answered_without_the_secret(server: EmbeddedServer) -> None:
    wrong = "Basic " + base64.b64encode(b"wsus-airgap:guess").decode()

    assert _ask(server, "/api/admin/version")[0] == 401
    assert _ask(server, "/api/admin/version", Authorization=wrong)[0] == 401
    assert _ask(server, "/api/flow_runs/filter", "POST")[0] in {401, 403}
    assert _ask(server, "/api/admin/version", Authorization=_secret(server))[0] == 200


def test_a_change_without_a_token_of_the_page_is_refused(server: EmbeddedServer) -> None:
    status, _, body = _ask(server, "/api/flow_runs/filter", "POST", Authorization=_secret(server))

    assert status == 403
    assert b"CSRF" in body


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Origin": "http://evil.example"}, id="page of another site"),
        pytest.param({"Origin": "null"}, id="page of no site"),
        pytest.param({"Origin": "http://127.0.0.1:1"}, id="another port of this machine"),
        pytest.param({"Host": "evil.example"}, id="name that was pointed at loopback"),
    ],
)
def test_foreign_origins_are_refused_even_with_the_secret(
    server: EmbeddedServer, headers: dict[str, str]
) -> None:
    for path in ("/api/admin/version", "/", "/enter", "/api/health"):
        status, answered, _ = _ask(server, path, Authorization=_secret(server), **headers)
        assert status == 403, path
        assert "access-control-allow-origin" not in answered


def test_a_websocket_of_a_foreign_origin_is_refused(server: EmbeddedServer) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec_WebSocket_Version": "13",
        "Sec_WebSocket_Key": base64.b64encode(b"0123456789abcdef").decode(),
        "Sec_WebSocket_Protocol": "prefect",
    }
    own = {"Origin": f"http://127.0.0.1:{server.port}"}

    assert _ask(server, "/api/events/out", Origin="http://evil.example", **upgrade)[0] == 403
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    names = {name.replace("_", "-"): value for name, value in {**upgrade, **own}.items()}
    connection.request("GET", "/api/events/out", headers=names)
    with connection.getresponse() as answer:
        assert answer.status == 101
    connection.close()


def test_the_server_listens_on_loopback_only_and_talks_to_nobody_else(
    server: EmbeddedServer,
) -> None:
    assert server._child is not None
    _ask(server, "/api/collections/views/aggregate-worker-metadata", Authorization=_secret(server))
    process = psutil.Process(server._child.pid)
    connections = [
        connection
        for member in (process, *process.children(recursive=True))
        for connection in member.net_connections(kind="inet")
    ]

    assert any(connection.status == psutil.CONN_LISTEN for connection in connections)
    for connection in connections:
        for address in filter(None, (connection.laddr, connection.raddr)):
            assert address.ip == "127.0.0.1", connection


def test_the_pages_are_served_and_only_those_that_phone_nobody(server: EmbeddedServer) -> None:
    settings = json.loads(_ask(server, "/ui-settings")[2])

    assert settings["api_url"] == "/api"
    assert settings["available_uis"] == ["v1"]
    assert settings["auth"] == "BASIC"
    assert b"<html" in _ask(server, "/runs", Accept="text/html")[2]


@needs.chromium
def test_the_url_logs_a_browser_in_and_shows_the_runs(
    server: EmbeddedServer, tmp_path: Path
) -> None:
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]

    def read_page(url: str, profile: str) -> str:
        command = [str(needs.path("chromium")), *options, f"--user-data-dir={tmp_path / profile}"]
        return subprocess.run(
            [*command, "--dump-dom", url], check=True, capture_output=True, text=True
        ).stdout

    let_in = read_page(server.ui_url, "known")
    kept_out = read_page(f"http://127.0.0.1:{server.port}/runs", "stranger")

    assert "Run a task or flow to get started" in let_in
    assert "Authentication failed" not in let_in
    assert "Authentication failed" in kept_out


_COMMAND = """
    import os, sys, time
    from pathlib import Path
    from deploy.prefect_server.connection import prefect_for

    with prefect_for(Path(sys.argv[1])) as server:
        print(server._child.pid, flush=True)
        from prefect import flow, task
        from prefect.client.orchestration import get_client
        from prefect.settings import PREFECT_API_URL, PREFECT_HOME

        @task
        def double(number: int) -> int:
            return 2 * number

        @flow(name="doubling")
        def doubling() -> int:
            return sum(double(number) for number in range(3))

        print(PREFECT_API_URL.value() == server.api_url, PREFECT_HOME.value(), flush=True)
        print("PREFECT_API_AUTH_STRING" in os.environ, flush=True)
        doubling()
        print(doubling(), flush=True)
        if sys.argv[2:]:
            time.sleep(600)
    with prefect_for(Path(sys.argv[1])):
        with get_client(sync_client=True) as client:
            print(len(client.read_flow_runs()), len(client.read_task_runs()), flush=True)
"""


def _start_command(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    script = tmp_path / "command.py"
    script.write_text(textwrap.dedent(_COMMAND))
    person = tmp_path / "home"
    (person / ".prefect").mkdir(parents=True)
    (person / ".prefect" / "profiles.toml").write_text(
        'active = "mine"\n[profiles.mine]\nPREFECT_API_URL = "http://127.0.0.1:9/api"\n'
    )
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
        "HOME": str(person),
        "PYTHONPATH": str(ROOT),
        "PREFECT_API_URL": "http://127.0.0.1:1/api",
        "PREFECT_API_KEY": "secret-of-a-person",
        "HTTP_PROXY": "http://127.0.0.1:2",
        "ALL_PROXY": "http://127.0.0.1:2",
    }
    return subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "state"), *arguments],
        env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_command_runs_flows_whatever_a_person_has_set_up_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    out, err = (command := _start_command(tmp_path)).communicate(timeout=180)

    assert command.returncode == 0, err
    lines = out.split("\n")
    assert lines[1] == f"True {tmp_path / 'state' / 'prefect'}"
    assert lines[2] == "False", "the secret is left to programs that the command starts"
    assert lines[3] == "6"
    assert lines[4] == "2 6", "what one command ran, the next one finds"
    assert err == "", "Prefect's own words are for its log"
    assert not psutil.pid_exists(int(lines[0]))
    assert (tmp_path / "state" / "prefect").stat().st_mode & 0o077 == 0


def test_the_server_ends_when_its_command_is_killed(tmp_path: Path) -> None:
    command = _start_command(tmp_path, "wait")
    assert command.stdout is not None
    child = psutil.Process(int(command.stdout.readline()))
    for _ in range(3):
        command.stdout.readline()
    os.kill(command.pid, signal.SIGKILL)
    # Whoever reads our output is not kept waiting by the server.
    command.communicate(timeout=5)

    child.wait(timeout=15)
    assert not child.is_running()


def test_only_a_database_with_all_migrations_of_this_prefect_is_not_migrated(
    tmp_path: Path,
) -> None:
    database, other = tmp_path / "prefect.db", tmp_path / "other.db"
    other.write_bytes(b"no database")

    assert lay_out_database(database)
    assert lay_out_database(database), "the next command finds it"
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'earlier'")
    assert not lay_out_database(database)
    assert not lay_out_database(other)


def test_a_second_server_of_the_same_home_works_on_the_same_database(
    server: EmbeddedServer,
) -> None:
    began = time.monotonic()
    with EmbeddedServer(server.home) as second:
        second.wait_ready()
        assert second.auth_string != server.auth_string
        assert _ask(second, "/api/admin/version", Authorization=_secret(server))[0] == 401
        assert _ask(second, "/api/admin/version", Authorization=_secret(second))[0] == 200
    assert time.monotonic() - began < 60


def test_a_port_that_is_taken_is_said_at_once(server: EmbeddedServer, tmp_path: Path) -> None:
    with pytest.raises(PrefectServerError, match=str(server.port)):
        EmbeddedServer(tmp_path, listening=Listening(port=server.port))


def test_a_server_that_has_no_home_lets_its_port_go(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    server = EmbeddedServer(tmp_path / "file" / "prefect")
    with pytest.raises(HostFileError, match="prefect"), server:
        pytest.fail("it has no home")
    with socket.create_server(("127.0.0.1", server.port)):
        pass


def test_a_server_that_ends_is_said_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "prefect.db").write_text("this is no database, and long enough to be taken for one")
    server = EmbeddedServer(tmp_path)

    with server, pytest.raises(PrefectServerError, match="it ended") as caught:
        server.wait_ready()

    assert str(server.log_path) in caught.value.next_step


def _kill(server: EmbeddedServer, *, not_again: set[int]) -> None:
    """Kill the server's process, and one that is not among those killed before."""
    give_up = time.monotonic() + 60
    while server._child is None or server._child.pid in not_again:
        assert time.monotonic() < give_up, "no other process was started"
        time.sleep(0.05)
    not_again.add(server._child.pid)
    server._child.kill()


def test_a_server_that_is_killed_is_replaced_where_nobody_else_can_take_its_place(
    tmp_path: Path,
) -> None:
    killed: set[int] = set()
    with EmbeddedServer(tmp_path) as server:
        _kill(server, not_again=killed)  # before it ever answered
        server.wait_ready()
        port, secret = server.port, _secret(server)
        _kill(server, not_again=killed)
        with socket.socket() as squatter:
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                squatter.bind(("127.0.0.1", port))
        # Whoever calls in between waits for the next one.
        assert _ask(server, "/api/admin/version", Authorization=secret)[0] == 200
        assert (server.port, _secret(server)) == (port, secret)


def test_a_server_that_is_killed_again_and_again_is_lost_in_one_sentence(tmp_path: Path) -> None:
    killed: set[int] = set()
    told: list[PrefectServerError] = []
    with EmbeddedServer(tmp_path) as server:
        server.when_lost(told.append)
        for _ in range(4):
            _kill(server, not_again=killed)
        with pytest.raises(PrefectServerError, match="started again 3 times") as caught:
            server.wait_ready()
        # Nobody waits any more.
        with pytest.raises(ConnectionRefusedError):
            _ask(server, "/api/health")

    assert "killed by signal 9" in caught.value.message
    assert [fault.message for fault in told] == [caught.value.message]


def test_an_api_that_does_not_answer_is_said(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from deploy.prefect_server.connection import prefect_for\n"
        "with prefect_for(Path('.'), api_url='http://127.0.0.1:9/api'): pass"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert "PrefectServerError" in done.stderr.splitlines()[-1]
    assert "http://127.0.0.1:9/api" in done.stderr.splitlines()[-1]


def test_an_environment_is_cleaned_of_every_variable_of_prefect(tmp_path: Path) -> None:
    cleaned = clean_environment(
        tmp_path, {"PREFECT_API_KEY": "x", "PREFECT_ANYTHING": "y", "PATH": "/bin", "NO_PROXY": "a"}
    )

    assert cleaned["PATH"] == "/bin"
    assert cleaned["NO_PROXY"] == "a,127.0.0.1,localhost"
    assert cleaned["DO_NOT_TRACK"] == "1"
    assert "PREFECT_API_KEY" not in cleaned
    assert "PREFECT_ANYTHING" not in cleaned
    assert cleaned["PREFECT_PROFILES_PATH"].startswith(str(tmp_path))


def test_a_site_that_never_ran_gets_its_folders_before_prefect_looks_for_them(
    tmp_path: Path, shared_api: str
) -> None:
    home = tmp_path / "state" / "prefect"
    with calling(home, shared_api, None, server=None):
        assert home.is_dir()
    assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
