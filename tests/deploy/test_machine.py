"""The home of ``up``: made once, closed to others, and a secret that only its own server gets."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.prefect_server.deployments import JOB_VARIABLES
from deploy.prefect_server.embedded_child import make_proof
from deploy.prefect_server.machine import (
    MACHINE_FILE,
    SECRET_FILE,
    Home,
    find_server,
    note_home,
    open_home,
)
from deploy.prefect_server.settings import MAX_RETRIES, server_settings, worker_settings
from tasks.errors import UsageError


def test_a_home_is_made_once_and_is_closed_to_other_accounts(tmp_path: Path) -> None:
    made = open_home(tmp_path / "home")

    assert open_home(tmp_path / "home") == made
    assert made.machine.bind_address == "127.0.0.1"
    assert made.secret.startswith("wsus-airgap:")
    for name in (MACHINE_FILE, SECRET_FILE):
        assert stat.S_IMODE((tmp_path / "home" / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    assert made.secret not in repr(made.listening)


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_home(tmp_path)
    (tmp_path / SECRET_FILE).chmod(0o640)

    with pytest.raises(UsageError, match="open to other accounts"):
        open_home(tmp_path)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('port = 4200\nbind_address = "0.0.0.0"', "put a proxy with TLS before the server"),
        ('port = 4200\npublic_address = "http://prefect.example"', "public_address"),
        ("port = 70000", "port"),
        ("prot = 4200", "prot"),
        ("port = ", "Invalid value"),
        ('port = 4200\ndatabase_url = "mysql://u:hunter2@h/d"', "database_url"),
    ],
)
def test_a_machine_file_that_is_wrong_is_said_without_its_values(
    tmp_path: Path, text: str, fault: str
) -> None:
    open_home(tmp_path)
    (tmp_path / MACHINE_FILE).write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=fault) as caught:
        open_home(tmp_path)
    assert caught.value.exit_code == 64
    assert "hunter2" not in caught.value.message


def test_behind_a_proxy_its_name_and_origin_are_let_in(tmp_path: Path) -> None:
    open_home(tmp_path)
    (tmp_path / MACHINE_FILE).write_text(
        'port = 4200\nbind_address = "0.0.0.0"\npublic_address = "https://prefect.example"\n'
        'database_url = "postgresql+asyncpg://wsus:hunter2@127.0.0.1/wsus"\n',
        encoding="utf-8",
    )
    home = open_home(tmp_path)
    settings = server_settings(tmp_path, 4200, home.listening, ui=True)

    assert home.address == "http://127.0.0.1:4200"
    assert "prefect.example" in home.listening.hosts(4200)
    assert "https://prefect.example" in settings["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"]
    assert settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"].endswith("@127.0.0.1/wsus")


def test_a_home_in_a_state_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="lies in the state folder"):
        note_home(tmp_path / "state", tmp_path / "state" / "up")


# --- the server that a command finds --------------------------------------------------------------


@contextlib.contextmanager
def stranger(port: int) -> Iterator[list[str]]:
    """Somebody else's server on our port, which notes what it is told and repeats a proof."""
    told: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(f"{self.path} {self.headers}")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(make_proof("a guess", b"0" * 64))

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.HTTPServer(("127.0.0.1", port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield told
        server.shutdown()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """The home of an ``up`` that served a site once."""
    note_home(tmp_path / "state", tmp_path / "home")
    return open_home(tmp_path / "home")


def test_a_site_that_was_never_served_has_no_server_to_find(tmp_path: Path) -> None:
    assert find_server(tmp_path) == (None, None)


def test_a_server_that_is_away_is_said(tmp_path: Path, home: Home) -> None:
    server, sentence = find_server(tmp_path / "state")

    assert server is None
    assert sentence is not None
    assert sentence.endswith(f"`up` at {home.address} does not answer")


def test_a_stranger_on_the_port_gets_no_secret_and_is_not_used(tmp_path: Path, home: Home) -> None:
    with stranger(home.machine.port) as told:
        assert find_server(tmp_path / "state")[0] is None

    assert len(told) == 1
    assert home.secret not in told[0]
    assert "Authorization" not in told[0]


def test_an_account_that_may_not_read_the_secret_is_told_and_uses_a_server_of_its_own(
    tmp_path: Path, home: Home
) -> None:
    (home.folder / SECRET_FILE).unlink()
    server, sentence = find_server(tmp_path / "state")

    assert server is None
    assert sentence is not None
    assert str(home.folder) in sentence


def test_a_worker_repeats_refused_calls_and_leaves_it_to_its_flows_to_do_so(tmp_path: Path) -> None:
    worker = worker_settings(tmp_path, "http://127.0.0.1:4200/api", None)
    flow = {**worker, **JOB_VARIABLES["env"]}
    assert worker[MAX_RETRIES] == "5"
    assert flow[MAX_RETRIES] == "1"


def test_calls_without_tls_read_one_certificate_and_calls_with_tls_all(tmp_path: Path) -> None:
    variable = "PREFECT_API_SSL_CERT_FILE"
    plain = worker_settings(tmp_path, "http://127.0.0.1:4200/api", None)
    for half in ("", "-----BEGIN CERTIFICATE-----"):  # a power cut can leave that
        Path(plain[variable]).write_text(half, encoding="ascii")
        plain = worker_settings(tmp_path, "http://127.0.0.1:4200/api", None)
    trusted = ssl.create_default_context(cafile=plain[variable])
    assert trusted.cert_store_stats()["x509"] == 1
    for address in ("https://prefect.example/api", "http://prefect.example/api"):
        assert variable not in worker_settings(tmp_path, address, None)
