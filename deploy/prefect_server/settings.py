"""What Prefect is told about itself: by our commands, and by the servers that we start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from deploy.prefect_server.embedded_child import DATABASE, database_url, shared_folder

LOOPBACK = "127.0.0.1"

# Everything in Prefect that would talk to a host on the internet.
SILENT = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
}


def clean_environment(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment without any of a person's own settings of Prefect.

    The home folder holds a profile file of its own, or none. What a ``.env`` or ``prefect.toml``
    in the current folder says is overruled by every variable that we set.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("PREFECT_")}
    proxies = [kept.get("NO_PROXY") or kept.get("no_proxy"), LOOPBACK, "localhost"]
    return {
        **kept,
        **SILENT,
        "NO_PROXY": ",".join(filter(None, proxies)),
        "no_proxy": ",".join(filter(None, proxies)),
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
    }


def client_settings(home: Path, api_url: str, auth_string: str | None) -> dict[str, str]:
    """What this process's Prefect must know before it is imported.

    Prefect's own lines go to the API and to nobody's terminal; results go below ``home``, as
    JSON; it never starts a server of its own.
    """
    settings = {
        "PREFECT_API_URL": api_url,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "false",
        "PREFECT_RESULTS_LOCAL_STORAGE_PATH": str(home / "results"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        # A call is tried again by ``tasks.prefect_api``, which knows when to stop.
        "PREFECT_CLIENT_MAX_RETRIES": "1",
        "PREFECT_LOGGING_LEVEL": "INFO",
        # What its threads say of themselves goes to stderr, whatever the other settings.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "wsus_airgap",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    return settings | ({"PREFECT_API_AUTH_STRING": auth_string} if auth_string else {})


def server_settings(home: Path, port: int, auth_string: str | None, *, ui: bool) -> dict[str, str]:
    """What a server of ours runs with; the profile of a served deployment says the same."""
    address = f"http://{LOOPBACK}:{port}"
    static = (shared_folder() or home) / "ui"
    settings = {
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url(home / DATABASE),
        # Two commands of one site may share the file; the second waits instead of failing.
        "PREFECT_SERVER_DATABASE_TIMEOUT": "60",
        "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT": "60",
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED": "true",
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS": address,
        # In memory, a slot held while the server restarts would never be free again.
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
