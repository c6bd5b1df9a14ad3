"""A healthy server's facts, for tests to change."""

from __future__ import annotations

from typing import Any

from tasks.metadata.server import ServerFacts

LINE: dict[str, Any] = {
    "kind": "server",
    "server_id": "5f0e7a51-86a3-4f65-a4a1-94a8d7ba3b5c",
    "version": "10.0.14393.7155",
    "protocol_version": "1.20",
    "is_replica": False,
    "sync_from_microsoft_update": True,
    "upstream_server": None,
    "host_binaries_on_microsoft_update": False,
    "download_express": False,
    "download_as_needed": True,
    "all_languages": False,
    "languages": ["de", "en", "ja"],
    "content_dir": r"D:\WSUS\WsusContent",
    "content_volume": {"free_bytes": 10**12, "file_system": "NTFS"},
    "update_count": 100,
    "declined_count": 3,
    "approved_count": 20,
    "arrived_since": None,
    "synchronization": "NotProcessing",
    "last_sync_result": "Succeeded",
    "last_sync_end": "2031-05-01T03:00:00Z",
    "service_status": "Running",
    "failed_downloads": 0,
    "bytes_to_download": 0,
    "bytes_downloaded": 0,
    "active_rules": 0,
    "auto_approve_infrastructure": True,
    "auto_refresh_approvals": True,
    "auto_decline_expired": True,
    "clock": "2031-05-01T04:00:00Z",
}


def server_facts(**changes: Any) -> ServerFacts:
    return ServerFacts.model_validate(LINE | changes)
