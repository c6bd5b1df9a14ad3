"""Prefect's settings, as variables: of our commands, and of the servers that we start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.prefect_server.embedded_child import DATABASE, database_url, shared_folder

LOOPBACK = "127.0.0.1"

# These settings switch off everything in Prefect that calls a host on the internet.
SILENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}


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
        # ``tasks.prefect_api`` repeats calls instead, and knows when to stop.
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_LOGGING_LEVEL": "INFO",
        # Prefect's threads would log to stderr whatever the other settings are.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "wsus_airgap",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    return settings | ({"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {})


def server_settings(home: Path, port: int, auth_string: str | None, *, ui: bool) -> dict[str, str]:
    """The settings of a server that we start; a served deployment has the same in its profile."""
    address = f"http://{LOOPBACK}:{port}"
    static = (shared_folder() or home) / "ui"
    settings = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(home / DATABASE),
        # Two commands of one site may share the database; the second waits instead of failing.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": address,
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
    return settings | ({"PREFECT_SERVER_API_AUTH_STRING": auth_string} if auth_string else {})
