"""Prefect's settings, as variables: of our commands, and of the servers that we start."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import certifi

from deploy.prefect_server.embedded_child import DATABASE, database_url, shared_folder

LOOPBACK = "127.0.0.1"
HEARTBEAT_SECONDS = 30  # Prefect's smallest
_QUERY_SECONDS = 2  # a person who presses Retry waits for it; the question costs milliseconds
_LOG_BYTES = 5_000_000
_END_OF_CERTIFICATE = "-----END CERTIFICATE-----"
ANY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104  compared, never bound by itself

# These settings switch off everything in Prefect that calls a host on the internet.
SILENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}


MAX_RETRIES = "PREFECT_CLIENT_MAX_RETRIES"
# ``tasks.prefect_api`` repeats calls instead, and knows when to stop.
FLOW_RETRIES = "1"
# A worker whose call fails gives a run up before it began. A busy server with SQLite answers 503;
# these are repeated after 2, 4, 8, 16 and 32 seconds.
_WORKER_RETRIES = "5"


def clean_environment(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Make an environment without the person's own settings of Prefect.

    Prefect looks for profiles in the home folder only. Our variables overrule a ``.env`` or
    ``prefect.toml`` in the current folder.
    """
    inherited = {
        name: value for name, value in environment.items() if not name.startswith("PREFECT_")
    }
    proxies = [inherited.get("NO_PROXY") or inherited.get("no_proxy"), LOOPBACK, "localhost"]
    return {
        **inherited,
        **SILENT,
        "NO_PROXY": ",".join(filter(None, proxies)),
        "no_proxy": ",".join(filter(None, proxies)),
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
    }


def open_log(path: Path) -> BinaryIO:
    """Open the log of a child process to append to it; a large one is put aside first."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def client_settings(home: Path, api_url: str, auth_string: str | None) -> dict[str, str]:
    """The settings of this process's Prefect, which must be set before its import.

    Prefect logs to the API and never to the terminal, stores results below ``home`` as JSON, and
    starts no server by itself.
    """
    settings = {
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        MAX_RETRIES: FLOW_RETRIES,
        "PREFECT_LOGGING_LEVEL": "INFO",
        # Our own lines name each step; Prefect's would be half of the page's log.
        "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "WARNING",
        # Prefect's threads would log to stderr whatever the other settings are.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "wsus_airgap",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    address = urlsplit(api_url)
    # Of another machine a redirect could lead to TLS.
    if address.scheme == "http" and address.hostname == LOOPBACK:
        settings["PREFECT_API_SSL_CERT_FILE"] = str(_one_certificate(home))
    return settings | ({"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {})


def _one_certificate(home: Path) -> Path:
    """Write a file with one certificate, for calls that use no TLS.

    Each of Prefect's clients reads the certificates that it trusts, also for an address without
    TLS. With all of certifi's that takes 50 ms for each of the eight clients of a command.
    """
    path = home / "one-certificate.pem"
    first, end, _ = certifi.contents().partition(_END_OF_CERTIFICATE)
    content = f"{first}{end}\n".encode("ascii")
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return path
    home.mkdir(parents=True, exist_ok=True)
    own = path.with_suffix(f".{os.getpid()}")
    with own.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    own.replace(path)
    return path


@dataclass(frozen=True, slots=True)
class Listening:
    """The address at which a server listens, and what it demands there.

    Attributes:
        port: The port; None: any that is free.
        bind_address: The address of this machine that it listens on.
        public_address: The address of a proxy with TLS that stands before it, if there is one.
        auth_string: The secret, ``name:password``; None: nothing is demanded.
        database_url: The database; None: a SQLite file in the server's home.
        runs_days: Age at which Prefect's own vacuum removes runs; None: it never does.
    """

    port: int | None = None
    bind_address: str = LOOPBACK
    public_address: str | None = None
    auth_string: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)
    runs_days: int | None = None

    @property
    def local_address(self) -> str:
        """The address by which programs of this machine reach the server."""
        return LOOPBACK if self.bind_address in ANY_ADDRESS else self.bind_address

    def hosts(self, port: int) -> tuple[str, ...]:
        """List the values of ``Host`` that requests for this server may have."""
        names = dict.fromkeys((LOOPBACK, "localhost", self.local_address))
        public = urlsplit(self.public_address or "").netloc
        return (*(f"{name}:{port}" for name in names), *filter(None, (public,)))


def worker_settings(home: Path, api_url: str, auth_string: str | None) -> dict[str, str]:
    """The settings of a worker, and of the flows that it starts but for its own patience."""
    return client_settings(home, api_url, auth_string) | {
        MAX_RETRIES: _WORKER_RETRIES,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_WORKER_QUERY_SECONDS": str(_QUERY_SECONDS),
    }


def server_settings(home: Path, port: int, listening: Listening, *, ui: bool) -> dict[str, str]:
    """The settings of a server that we start on ``port``."""
    origins = [f"http://{listening.local_address}:{port}", listening.public_address]
    static = (shared_folder() or home) / "ui"
    settings = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": (
            listening.database_url or database_url(home / DATABASE)
        ),
        # Two commands of one site may share the database; the second waits instead of failing. A
        # server with pages has its database for itself, and its services may wait for each other
        # until this time is over.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "10" if ui else "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "10" if ui else "60",
        "PREFECT_SERVER_API_HOST": listening.bind_address,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": ",".join(filter(None, origins)),
        # With leases in memory, a slot in use during a restart would never become free again.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": (
            "prefect.server.concurrency.lease_storage.filesystem"
        ),
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_ENABLED": "true" if ui else "false",
        # Relative, so that the page asks the server that it came from.
        "PREFECT_SERVER_UI_API_URL": "/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(static),
    }
    if not ui:  # blocks are chosen in the pages; to register them takes a second
        settings |= {
            "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "false",
            "PREFECT_SERVER_MEMOIZE_BLOCK_AUTO_REGISTRATION": "false",
        }
    if listening.runs_days is not None:
        settings |= {
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(listening.runs_days * 86_400),
        }
    secret = listening.auth_string
    return settings | ({"PREFECT_SERVER_API_AUTH_STRING": secret} if secret else {})
